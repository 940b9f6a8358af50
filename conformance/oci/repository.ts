import { Readable } from 'node:stream'
import type { Answer } from './answer.ts'
import type { Client, RequestOptions } from './client.ts'
import {
  type Algorithm,
  blob,
  type Content,
  config,
  DOCKER_LIST,
  DOCKER_MANIFEST,
  EMPTY,
  image,
  OCI_INDEX,
  OCI_MANIFEST,
} from './content.ts'
import { expectStatus } from './expect.ts'
import { Session } from './session.ts'

const ACCEPT = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST].join(', ')

/** One repository of the registry under test. */
export class Repository {
  readonly client: Client
  readonly name: string

  constructor(client: Client, name: string) {
    this.client = client
    this.name = name
  }

  path(tail: string): string {
    return `/v2/${this.name}/${tail}`
  }

  request(method: string, tail: string, options: RequestOptions = {}): Promise<Answer> {
    return this.client.request(method, this.path(tail), options)
  }

  /** GET as clients do it, with an Accept of every manifest type. */
  get(tail: string, headers: Record<string, string | string[]> = {}): Promise<Answer> {
    return this.request('GET', tail, { headers: { accept: ACCEPT, ...headers } })
  }

  head(tail: string, headers: Record<string, string | string[]> = {}): Promise<Answer> {
    return this.request('HEAD', tail, { headers: { accept: ACCEPT, ...headers } })
  }

  delete(tail: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.request('DELETE', tail, { headers })
  }

  /** POST to the uploads; `query` begins with `?`. */
  post(query = '', body: Uint8Array = Buffer.alloc(0)): Promise<Answer> {
    return this.request('POST', `blobs/uploads/${query}`, {
      headers: body.byteLength > 0 ? { 'content-type': 'application/octet-stream' } : {},
      body,
    })
  }

  async begin(query = ''): Promise<Session> {
    const opened = await this.post(query)
    expectStatus(opened, 202)
    return new Session(this.client, opened)
  }

  /** Pushes by POST and PUT, the way that every registry has. */
  async pushBlob(content: Content, algorithm: Algorithm = 'sha256'): Promise<Content> {
    const session = await this.begin(algorithm === 'sha256' ? '' : `?digest-algorithm=${algorithm}`)
    expectStatus(await session.put(content.digest(algorithm), content.bytes), 201)
    return content
  }

  put(reference: string, content: Content, headers: Record<string, string> = {}): Promise<Answer> {
    return this.request('PUT', `manifests/${reference}`, {
      headers: { 'content-type': content.mediaType, ...headers },
      body: content.bytes,
    })
  }

  /** Pushes a manifest that must be accepted; by its digest where no tag is given. */
  async push(content: Content, reference: string = content.digest()): Promise<Content> {
    expectStatus(await this.put(reference, content), 201)
    return content
  }

  /** An image with a config and a layer of its own, pushed with its blobs. */
  async pushImage(reference?: string, extra: Record<string, unknown> = {}): Promise<Content> {
    const own = await this.pushBlob(config())
    const layer = await this.pushBlob(blob())
    return this.push(image({ config: own.descriptor(), layers: [layer.descriptor()] }, extra), reference)
  }

  /** Makes the blob that `artifact()` refers to. */
  async ready(): Promise<this> {
    await this.pushBlob(EMPTY)
    return this
  }

  /** Every tag, over all pages; none where the registry does not find a repository without tags. */
  async tags(): Promise<string[]> {
    if ((await this.get('tags/list')).status === 404) return []
    return (await this.pages('tags/list')).flatMap(page => (page.json() as { tags: string[] }).tags)
  }

  /** The answer and all that its Link headers lead to. */
  async pages(tail: string): Promise<Answer[]> {
    const pages: Answer[] = []
    let next: string | undefined = new URL(this.path(tail), this.client.target.url).href
    while (next !== undefined) {
      const page: Answer = await this.client.get(next)
      expectStatus(page, 200)
      pages.push(page)
      const link: string | undefined = page.next()
      next = link === undefined ? undefined : new URL(link, next).href
      if (pages.length > 2000) throw new Error(`${tail}: the pages never end`)
    }
    return pages
  }
}

/** The bytes as a stream of unknown length, in pieces. */
export function streamOf(bytes: Buffer, piece = 64 * 1024): Readable {
  return Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece)
    })(),
  )
}

import { createHash } from 'node:crypto'
import { TOKEN } from '../support/server.ts'

export const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const INDEX = 'application/vnd.oci.image.index.v1+json'

export interface Content {
  readonly digest: string
  readonly bytes: Buffer
}

export interface Answer {
  readonly status: number
  readonly bytes: Buffer
  readonly headers: Headers
}

/** The registry was gone before the whole answer was here. */
export class HungUp extends Error {
  override readonly name = 'HungUp'
}

export function contentOf(bytes: Buffer): Content {
  return { digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, bytes }
}

/** The requests of somebody who may write; those of the soak and the other runs. They throw `HungUp`. */
export class RegistryClient {
  readonly url: string

  constructor(url: string) {
    this.url = url
  }

  async ask(
    method: string,
    path: string,
    body?: Buffer | FormData,
    headers: Record<string, string> = { 'content-type': 'application/octet-stream' },
  ): Promise<Answer> {
    try {
      const response = await fetch(new URL(path, this.url), {
        method,
        headers: { authorization: `Bearer ${TOKEN}`, ...(Buffer.isBuffer(body) && headers) },
        ...(body && { body }),
      })
      const bytes = Buffer.from(await response.arrayBuffer())
      return { status: response.status, bytes, headers: response.headers }
    } catch (cause) {
      throw new HungUp(`${method} ${path}: ${cause}`, { cause })
    }
  }

  get(path: string): Promise<Answer> {
    return this.ask('GET', path)
  }

  async has(repository: string, digest: string): Promise<boolean> {
    return (await this.ask('HEAD', `/v2/${repository}/blobs/${digest}`)).status === 200
  }

  /** In one request. */
  async push(repository: string, { digest, bytes }: Content): Promise<number> {
    return (await this.ask('POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, bytes)).status
  }

  /** In a session, in chunks of so many bytes. */
  async pushInSession(repository: string, { digest, bytes }: Content, chunk = bytes.length): Promise<number> {
    const begun = await this.ask('POST', `/v2/${repository}/blobs/uploads/`)
    const location = (begun.headers.get('location') ?? '').replace(/\?.*$/, '')
    for (let at = 0; at < bytes.length; at += chunk) {
      const { status } = await this.ask('PATCH', location, bytes.subarray(at, at + chunk))
      if (status !== 202) return status
    }
    return (await this.ask('PUT', `${location}?digest=${digest}`)).status
  }

  /** True where it was mounted; else the session that was opened instead is given up. */
  async mount(repository: string, digest: string, from?: string): Promise<boolean> {
    const source = from === undefined ? '' : `&from=${from}`
    const path = `/v2/${repository}/blobs/uploads/?mount=${digest}${source}`
    const { status, headers } = await this.ask('POST', path)
    if (status === 201) return true
    await this.ask('DELETE', headers.get('location') ?? '')
    return false
  }

  /** Under a tag or its digest; with tags, under the digest and them. */
  put(
    repository: string,
    reference: string,
    { bytes }: Content,
    type: string,
    tags: readonly string[] = [],
  ): Promise<Answer> {
    const query = tags.length === 0 ? '' : `?${tags.map(tag => `tag=${tag}`).join('&')}`
    const path = `/v2/${repository}/manifests/${reference}${query}`
    return this.ask('PUT', path, bytes, { 'content-type': type })
  }

  delete(repository: string, kind: 'manifests' | 'blobs', reference: string): Promise<Answer> {
    return this.ask('DELETE', `/v2/${repository}/${kind}/${reference}`)
  }

  /** A plugin binary, as memflow's own tools send it. */
  publish(bytes: Buffer): Promise<Answer> {
    const form = new FormData()
    form.append('file', new Blob([new Uint8Array(bytes)]), 'plugin')
    form.append('signature', SIGNATURE)
    return this.ask('POST', '/files', form)
  }

  /** What is not as it should be with the bytes behind a path. */
  async fault(path: string, digest: string): Promise<string | undefined> {
    const { status, bytes } = await this.get(path)
    if (status !== 200) return `GET ${path} -> ${status}`
    return contentOf(bytes).digest === digest ? undefined : `GET ${path} -> wrong bytes`
  }
}

/** DER of r = 1 and s = 1: where no key is known, nobody looks further. */
const SIGNATURE = '3006020101020101'

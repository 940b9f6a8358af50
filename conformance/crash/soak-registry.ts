import { createHash } from 'node:crypto'

export const TOKEN = 'a-token-for-conformance'
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

export function contentOf(bytes: Buffer): Content {
  return { digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, bytes }
}

/** The requests that the clients of the soak make. */
export class SoakRegistry {
  readonly url: string

  constructor(url: string) {
    this.url = url
  }

  async ask(
    method: string,
    path: string,
    body?: Buffer | FormData,
    type = 'application/octet-stream',
  ): Promise<Answer> {
    const response = await fetch(new URL(path, this.url), {
      method,
      headers: {
        authorization: `Bearer ${TOKEN}`,
        ...(Buffer.isBuffer(body) && { 'content-type': type }),
      },
      ...(body && { body }),
    })
    const bytes = Buffer.from(await response.arrayBuffer())
    return { status: response.status, bytes, headers: response.headers }
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

  /** In a session of three requests. */
  async pushInSession(repository: string, { digest, bytes }: Content): Promise<number> {
    const begun = await this.ask('POST', `/v2/${repository}/blobs/uploads/`)
    const location = begun.headers.get('location') ?? ''
    const sent = await this.ask('PATCH', location, bytes)
    if (sent.status !== 202) return sent.status
    return (await this.ask('PUT', `${location}?digest=${digest}`)).status
  }

  /** True where it was mounted; else the session that was opened instead is given up. */
  async mount(repository: string, digest: string): Promise<boolean> {
    const { status, headers } = await this.ask('POST', `/v2/${repository}/blobs/uploads/?mount=${digest}`)
    if (status === 201) return true
    await this.ask('DELETE', headers.get('location') ?? '')
    return false
  }

  put(repository: string, reference: string, { bytes }: Content, type: string): Promise<Answer> {
    return this.ask('PUT', `/v2/${repository}/manifests/${reference}`, bytes, type)
  }

  delete(repository: string, kind: 'manifests' | 'blobs', digest: string): Promise<Answer> {
    return this.ask('DELETE', `/v2/${repository}/${kind}/${digest}`)
  }

  /** What is not as it should be with the bytes behind a path. */
  async fault(path: string, digest: string): Promise<string | undefined> {
    const { status, bytes } = await this.get(path)
    if (status !== 200) return `GET ${path} -> ${status}`
    return contentOf(bytes).digest === digest ? undefined : `GET ${path} -> wrong bytes`
  }
}

import type { Readable } from 'node:stream'
import type { Answer } from './answer.ts'
import type { Client, RequestOptions } from './client.ts'

/** One blob upload: follows the `Location` of each answer, as the spec asks of clients. */
export class Session {
  readonly #client: Client
  location: string
  /** Smallest chunk that the registry wants, from `OCI-Chunk-Min-Length`. */
  readonly minimum: number

  constructor(client: Client, opened: Answer) {
    this.#client = client
    this.location = new URL(opened.header('location') ?? '', client.target.url).href
    this.minimum = Math.max(1024, Number(opened.header('oci-chunk-min-length') ?? 0))
  }

  /** Sends a chunk that begins at `at`; without `at` it is streamed, with no `Content-Range`. */
  patch(bytes: Uint8Array | Readable, at?: number): Promise<Answer> {
    const headers: Record<string, string> = { 'content-type': 'application/octet-stream' }
    if (at !== undefined && ArrayBuffer.isView(bytes)) headers['content-range'] = range(at, bytes.byteLength)
    return this.#follow('PATCH', this.location, { headers, body: bytes })
  }

  /** Closes the session; `bytes` is the last chunk, or the whole blob. */
  put(digest: string, bytes?: Uint8Array, at?: number): Promise<Answer> {
    const headers: Record<string, string> = { 'content-type': 'application/octet-stream' }
    if (bytes !== undefined && at !== undefined) headers['content-range'] = range(at, bytes.byteLength)
    return this.#follow('PUT', this.closing(digest), { headers, body: bytes ?? Buffer.alloc(0) })
  }

  status(): Promise<Answer> {
    return this.#follow('GET', this.location, {})
  }

  cancel(): Promise<Answer> {
    return this.#client.request('DELETE', this.location, { headers: { 'content-length': '0' } })
  }

  /** The location with `digest` added; query parameters that the registry put there stay. */
  closing(digest: string): string {
    const url = new URL(this.location)
    url.searchParams.set('digest', digest)
    return url.href
  }

  async #follow(method: string, url: string, options: RequestOptions): Promise<Answer> {
    const answer = await this.#client.request(method, url, options)
    const location = answer.header('location')
    if (location !== undefined && answer.status !== 201) this.location = new URL(location, url).href
    return answer
  }
}

function range(at: number, length: number): string {
  return `${at}-${at + length - 1}`
}

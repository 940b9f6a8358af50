import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import type { Readable } from 'node:stream'
import { Answer } from './answer.ts'
import { authorizationFor } from './credentials.ts'
import { Pushed } from './pushed.ts'
import type { Target } from './target.ts'

export interface RequestOptions {
  headers?: Record<string, string | string[]>
  /** A Readable goes out with `Transfer-Encoding: chunked`, a buffer with its `Content-Length`. */
  body?: Uint8Array | string | Readable
  /** Sends no credentials and answers no challenge. */
  anonymous?: boolean
  deadline?: number
}

/** Milliseconds, to end what hangs: the registry may be beside many busy processes. */
const DEADLINE = 120_000

/** A small raw client: one request, one answer, no redirects, no interpretation. Answers a 401's challenge once. */
export class Client {
  readonly target: Target
  readonly pushed = new Pushed()
  readonly #agents = {
    'http:': new http.Agent({ keepAlive: true }),
    'https:': new https.Agent({ keepAlive: true }),
  }
  readonly #authorization = new Map<string, string>()

  constructor(target: Target) {
    this.target = target
  }

  /** `path` may be an absolute URL, as Location and Link headers are allowed to be. */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    const url = new URL(path, this.target.url)
    const own = new Headers(options.headers as Record<string, string>).has('authorization')
    const key = scopeKey(method, url)
    const known = own || options.anonymous ? undefined : this.#authorization.get(key)
    const answer = await this.#send(method, url, options, known)
    const challenge = answer.header('www-authenticate')
    if (answer.status !== 401 || own || options.anonymous || challenge === undefined) return answer
    if (options.body !== undefined && typeof options.body !== 'string' && !ArrayBuffer.isView(options.body))
      return answer
    const authorization = await authorizationFor(this.target, challenge)
    if (authorization === undefined) return answer
    this.#authorization.set(key, authorization)
    return this.#send(method, url, options, authorization)
  }

  get(path: string, headers: Record<string, string | string[]> = {}): Promise<Answer> {
    return this.request('GET', path, { headers })
  }

  head(path: string, headers: Record<string, string | string[]> = {}): Promise<Answer> {
    return this.request('HEAD', path, { headers })
  }

  /** The `Authorization` that a write to that repository needs; for requests that are written byte by byte. */
  async writeAuthorization(repository: string): Promise<string | undefined> {
    const answer = await this.request('POST', `/v2/${repository}/blobs/uploads/`, {
      headers: { 'content-length': '0' },
    })
    const location = answer.header('location')
    if (location !== undefined) await this.request('DELETE', location)
    return this.#authorization.get(`POST ${repository}`)
  }

  async #send(method: string, url: URL, options: RequestOptions, authorization?: string): Promise<Answer> {
    try {
      return await this.#once(method, url, options, authorization)
    } catch (error) {
      // A kept connection that the registry closed meanwhile says nothing about this request.
      if ((error as { reused?: boolean }).reused) return await this.#once(method, url, options, authorization)
      throw error
    }
  }

  #once(method: string, url: URL, options: RequestOptions, authorization?: string): Promise<Answer> {
    const { body } = options
    const headers: Record<string, string | string[]> = { ...options.headers }
    if (authorization !== undefined) headers.authorization = authorization
    const whole = typeof body === 'string' ? Buffer.from(body) : ArrayBuffer.isView(body) ? body : undefined
    if (whole !== undefined) headers['content-length'] ??= String(whole.byteLength)
    const title = `${method} ${url.pathname}${url.search}`
    const make = url.protocol === 'https:' ? https.request : http.request
    const agent = this.#agents[url.protocol as 'http:']
    return new Promise((resolve, reject) => {
      const request = make(url, {
        method,
        headers,
        agent,
        signal: AbortSignal.timeout(options.deadline ?? DEADLINE),
      })
      request.on('response', response => resolve(this.#read(title, response)))
      request.on('error', error => {
        const reused = request.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET'
        reject(Object.assign(new Error(`${title}: ${error.message}`, { cause: error }), { reused }))
      })
      if (whole !== undefined) request.end(whole)
      else if (body === undefined) request.end()
      else (body as Readable).on('error', error => request.destroy(error)).pipe(request)
    })
  }

  async #read(title: string, response: IncomingMessage): Promise<Answer> {
    const parts: Buffer[] = []
    for await (const part of response) parts.push(part as Buffer)
    const answer = new Answer(title, response.statusCode ?? 0, response.headers, Buffer.concat(parts))
    this.pushed.note(answer)
    return answer
  }
}

/** Tokens are good for one repository and one kind of access; a mount needs its own. */
function scopeKey(method: string, url: URL): string {
  const repository = /^\/v2\/(.+?)\/(?:blobs|manifests|tags|referrers)\//.exec(url.pathname)?.[1] ?? ''
  return `${method} ${repository}${url.searchParams.get('from') ?? ''}`
}

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Access } from './upstream/access.ts'
import { answerOf, type Kind, kindOf, type SoundAnswer } from './upstream/answers.ts'
import type { Certificate } from './upstream/certificate.ts'
import { Content } from './upstream/content.ts'
import { type Fault, send } from './upstream/faults.ts'

export interface UpstreamOptions {
  /** Speaks TLS with it; else plain HTTP. */
  readonly certificate?: Certificate
  readonly access?: Access
  readonly content?: Content
}

/** A request that came. */
export interface SeenRequest {
  readonly kind: Kind
  readonly method: string
  /** With the query. */
  readonly path: string
  readonly authorization: string | undefined
  readonly headers: IncomingMessage['headers']
}

/** A real HTTP server that speaks what a registry speaks, counts what it is asked, and fails where it is told to. */
export class FaultyUpstream {
  readonly content: Content
  /** All requests, in their order. */
  readonly requests: SeenRequest[] = []
  readonly #server: Server
  readonly #scheme: 'http' | 'https'
  readonly #access: Access | undefined
  readonly #faults = new Map<Kind | 'any', { fault: Fault; left: number }>()
  #port = 0

  private constructor({ certificate, access, content = new Content() }: UpstreamOptions) {
    this.content = content
    this.#access = access
    this.#scheme = certificate ? 'https' : 'http'
    const listener = (request: IncomingMessage, response: ServerResponse) => {
      // A client that leaves in the middle is not this server's fault.
      response.on('error', () => {})
      void this.#answer(request, response)
    }
    this.#server = certificate ? createTlsServer(certificate, listener) : createServer(listener)
    this.#server.on('tlsClientError', () => {})
  }

  static async start(options: UpstreamOptions = {}): Promise<FaultyUpstream> {
    const upstream = new FaultyUpstream(options)
    await upstream.resume()
    return upstream
  }

  get url(): string {
    return this.at('127.0.0.1')
  }

  /** Its address by another name. */
  at(host: string): string {
    return `${this.#scheme}://${host}:${this.#port}`
  }

  /** Answers requests of that kind by the fault from now on, or only the first `times` of them. */
  fail(kind: Kind | 'any', fault: Fault, times = Number.POSITIVE_INFINITY): void {
    this.#faults.set(kind, { fault, left: times })
  }

  /** No more faults. */
  heal(): void {
    this.#faults.clear()
  }

  /** How many requests came, of a kind and a method where they are given. */
  count(kind?: Kind, method?: string): number {
    const counted = (seen: SeenRequest) =>
      (kind ?? seen.kind) === seen.kind && (method ?? seen.method) === seen.method
    return this.requests.filter(counted).length
  }

  /** Cuts all connections and refuses new ones. */
  async stop(): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  /** Listens, where it did before. */
  async resume(): Promise<void> {
    await new Promise<void>(resolve => this.#server.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (this.#server.address() as AddressInfo).port
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers } = request
    const url = new URL(`${this.#scheme}://${headers.host}${path}`)
    const { kind } = kindOf(url)
    const { authorization } = headers
    this.requests.push({ kind, method, path, authorization, headers })
    const answer: SoundAnswer =
      this.#access?.check(url, authorization, url.origin) ?? answerOf(this.content, url, headers.range)
    const exchange = { request, response, answer }
    const fault = this.#faultFor(kind)
    if (fault) await fault(exchange)
    else send(exchange, answer)
  }

  #faultFor(kind: Kind): Fault | undefined {
    const planned = this.#faults.get(kind) ?? this.#faults.get('any')
    return planned && planned.left-- > 0 ? planned.fault : undefined
  }
}

/** Inside a describe block: `const upstream = upstreams()`; then `await upstream()` is a new one, closed after its test. */
export function upstreams(): (options?: UpstreamOptions) => Promise<FaultyUpstream> {
  const running: FaultyUpstream[] = []

  afterEach(async () => {
    await Promise.all(running.splice(0).map(upstream => upstream.stop()))
  })

  return async options => {
    const upstream = await FaultyUpstream.start(options)
    running.push(upstream)
    return upstream
  }
}

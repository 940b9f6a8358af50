import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { until } from './until.ts'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly bytes: Buffer
  readonly text: string
  readonly json: unknown
  /** The code of the first error, in the form of the distribution-spec. */
  readonly code: string | undefined
}

export interface Question {
  readonly headers?: OutgoingHttpHeaders
  /** Several chunks go out chunked, without a Content-Length. */
  readonly body?: string | Uint8Array | readonly Uint8Array[] | undefined
}

/** One request; path and headers go out as they are, which `fetch` does not do. */
export function ask(
  url: string,
  method: string,
  path: string,
  { headers = {}, body }: Question = {},
): Promise<Answer> {
  const { hostname, port } = new URL(url)
  const chunked = Array.isArray(body)
  const whole = chunked || body === undefined ? undefined : Buffer.from(body as string)
  return new Promise((resolve, reject) => {
    const req = request(
      {
        hostname,
        port,
        method,
        path,
        agent: false,
        headers: { ...(whole && { 'content-length': whole.length }), ...headers },
      },
      res => {
        buffer(res)
          .then(bytes => resolve(answer(res.statusCode ?? 0, res.headers, bytes)))
          .catch(reject)
      },
    )
    req.on('error', reject)
    if (chunked) for (const chunk of body) req.write(chunk)
    req.end(whole)
  })
}

function answer(status: number, headers: IncomingHttpHeaders, bytes: Buffer): Answer {
  const text = bytes.toString()
  return {
    status,
    headers,
    bytes,
    text,
    get json() {
      return JSON.parse(text) as unknown
    },
    get code() {
      return (JSON.parse(text) as { errors?: { code: string }[] }).errors?.[0]?.code
    },
  }
}

/** A bare connection, for what no well-behaved client sends. */
export class Wire {
  readonly #socket: Socket
  readonly #chunks: Buffer[] = []
  readonly #closed: Promise<void>
  #failed: string | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', chunk => this.#chunks.push(chunk))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#failed = error.code
    })
    this.#closed = new Promise(resolve => socket.once('close', () => resolve()))
  }

  static async open(url: string): Promise<Wire> {
    const socket = connect(Number(new URL(url).port), new URL(url).hostname)
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return new Wire(socket)
  }

  /** What has come so far. */
  get received(): string {
    return Buffer.concat(this.#chunks).toString('latin1')
  }

  /** The code of the error that the connection has had, such as `ECONNRESET`. */
  get failed(): string | undefined {
    return this.#failed
  }

  /** Sends lines of a request's head, with the empty line behind them. */
  head(...lines: string[]): this {
    this.#socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    return this
  }

  send(bytes: string | Uint8Array): this {
    this.#socket.write(bytes)
    return this
  }

  /** Stops reading, so that what the server sends piles up. */
  pause(): this {
    this.#socket.pause()
    return this
  }

  resume(): this {
    this.#socket.resume()
    return this
  }

  /** Sends bytes, and waits until the system has taken them. */
  async sent(bytes: string | Uint8Array): Promise<void> {
    await new Promise<void>(resolve => this.#socket.write(bytes, () => resolve()))
  }

  /** Waits until what was received matches. */
  async until(pattern: RegExp): Promise<string> {
    await until(
      () => pattern.test(this.received),
      () => `${pattern}, received: ${this.received.slice(0, 500)}`,
    )
    return this.received
  }

  /** All that came until the server closed. */
  async end(): Promise<string> {
    await this.#closed
    return this.received
  }

  /** Breaks the connection off. */
  cut(): void {
    this.#socket.resetAndDestroy()
  }
}

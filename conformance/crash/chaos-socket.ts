import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { TOKEN } from '../support/server.ts'

export const WAYS_TO_CUT = ['close', 'reset', 'half-close'] as const

/** How long the other end may take to close after a half-close. */
const HALF_CLOSED_MS = 2000

/** A connection on which bytes are written by hand. What the server does with it is not checked here. */
export class RawSocket {
  readonly #socket: Socket
  #received = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('data', chunk => {
      this.#received += chunk.length
    })
  }

  /** Undefined if there is no connection to be had. */
  static async open(url: string, localAddress: string): Promise<RawSocket | undefined> {
    const { hostname, port } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port), localAddress })
    const raw = new RawSocket(socket)
    const connected = await once(socket, 'connect').catch(() => undefined)
    return connected && raw
  }

  get closed(): boolean {
    return this.#socket.destroyed
  }

  /** In bytes. */
  get received(): number {
    return this.#received
  }

  write(bytes: string | Buffer): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes)
  }

  /** Reads no more until `resume`. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Resolves when so many bytes have come, the connection is closed, or the time is over. */
  async receive(bytes: number, ms: number): Promise<void> {
    for (const end = performance.now() + ms; performance.now() < end; await sleep(2))
      if (this.#received >= bytes || this.closed) return
  }

  async cut(how: (typeof WAYS_TO_CUT)[number]): Promise<void> {
    if (how === 'half-close' && !this.closed) {
      this.#socket.end()
      this.#socket.resume()
      await Promise.race([once(this.#socket, 'close').catch(() => {}), sleep(HALF_CLOSED_MS)])
    }
    if (how === 'reset') this.#socket.resetAndDestroy()
    else this.#socket.destroy()
  }
}

/** The head of a request of somebody who may write. */
export function head(method: string, path: string, headers: Record<string, string | number> = {}): string {
  const lines = Object.entries({ Host: 'registry', Authorization: `Bearer ${TOKEN}`, ...headers })
  return `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}

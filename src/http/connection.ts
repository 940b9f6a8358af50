import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'

/** Answers a request. */
export type Handle = (req: IncomingMessage, res: ServerResponse) => void

/** Deadlines of one connection, in ticks of about a second: a server that is stalled counts none. */
export interface Deadlines {
  /** A client that is at its turn to send or to read is judged after it has had so many ticks. */
  readonly windowTicks: number
  /** Bytes that have to move within them. */
  readonly windowBytes: number
  /** How long a client that still sends may take to notice that it was answered. */
  readonly lingerTicks: number
}

/** From so many waiting requests on no more are read, unless they are in memory already. */
const MOST_READ = 8

/** Requests that one read of 64 KiB may bring beyond that; a connection with more is closed. Each takes 4 KiB or so. */
const MOST_WAITING = 512

/** What the client has to do now, if anything: all else is the server's own work, for which no client is cut. */
type Debt = 'to send' | 'to read' | 'to leave'

/**
 * The connection of one client. Its requests are worked on one at a time, in their order. Node.js would begin all of
 * them at once, and never reports it to a waiting response when the connection is closed; whatever that response had
 * taken until then would stay open for good. A waiting request has not begun, so it holds nothing.
 */
export class Connection {
  readonly socket: Socket
  readonly #handle: Handle
  readonly #deadlines: Deadlines
  #req: IncomingMessage | undefined
  #res: ServerResponse | undefined
  #waiting = 0
  #paused = false
  /** Nothing more is taken from this client. */
  #refused = false
  #debt: Debt | undefined
  #owedTicks = 0
  #movedBefore = 0
  #idleTicks = 0

  constructor(socket: Socket, handle: Handle, deadlines: Deadlines) {
    this.socket = socket
    this.#handle = handle
    this.#deadlines = deadlines
  }

  /** Begins the request now, or when the response before it has ended; never if the connection is closed before. */
  take(req: IncomingMessage, res: ServerResponse): void {
    // Node.js gives a response its socket when its turn comes.
    if (res.socket) this.#begin(req, res)
    else this.#wait(req, res)
  }

  /** Answers the request that is at its turn, and closes the connection. */
  refuse(status: number, message: string): void {
    this.#refused = true
    const { socket } = this
    if (!socket.writable) {
      socket.destroy()
      return
    }
    const body = JSON.stringify({ errors: [{ code: 'UNSUPPORTED', message }] })
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    )
    // Closing while bytes arrive resets the connection, and the client would not see the answer (RFC 9112, 9.6).
    this.#req?.resume()
  }

  /** What the client has sent is not HTTP/1.1, or not complete in time. */
  failed(status: number, message: string): void {
    if (this.#refused) return
    if (!this.#isAtWork() || !this.#res || !this.#req) this.refuse(status, message)
    else if (!this.#req.complete && !this.#res.headersSent) this.refuse(status, message)
    else if (!this.#req.complete) this.socket.destroy()
    else {
      // The fault is in a later request. The response under way stays whole, and is the last one.
      this.#refused = true
      this.#res.shouldKeepAlive = false
    }
  }

  /** How many ticks ago the client could have sent a request and has not; undefined while one is at work. */
  get idleTicks(): number | undefined {
    return this.#isAtWork() || this.#waiting > 0 || this.#refused ? undefined : this.#idleTicks
  }

  /** Closes the connection if the client has been too slow. */
  tick(): void {
    const debt = this.#debtNow()
    if (debt === undefined) {
      // What was owed before is remembered: a server that is slow now and then makes no client faster.
      this.#idleTicks++
      return
    }
    if (debt !== this.#debt) {
      this.#debt = debt
      this.#owedTicks = 0
    }
    if (this.#owedTicks++ === 0) this.#movedBefore = this.#moved(debt)
    if (debt === 'to leave') {
      if (this.#owedTicks > this.#deadlines.lingerTicks) this.socket.destroy()
    } else if (this.#owedTicks > this.#deadlines.windowTicks) {
      if (this.#moved(debt) - this.#movedBefore < this.#deadlines.windowBytes) this.#isLate(debt)
      else this.#owedTicks = 0
    }
  }

  #begin(req: IncomingMessage, res: ServerResponse): void {
    if (this.#refused) return
    this.#req = req
    this.#res = res
    this.#owedTicks = 0
    this.#idleTicks = 0
    this.#handle(req, res)
  }

  #wait(req: IncomingMessage, res: ServerResponse): void {
    if (++this.#waiting > MOST_WAITING) {
      this.socket.destroy()
      return
    }
    if (this.#waiting >= MOST_READ) {
      this.#paused = true
      this.socket.pause()
    }
    // Later, because the response before it is still being ended.
    res.once('socket', () => process.nextTick(() => this.#next(req, res)))
  }

  #next(req: IncomingMessage, res: ServerResponse): void {
    this.#waiting--
    if (this.#paused && this.#waiting < MOST_READ) {
      this.#paused = false
      this.socket.resume()
    }
    if (!this.socket.destroyed) this.#begin(req, res)
  }

  /** Whether a request has begun whose response has not ended, or whose body has not. */
  #isAtWork(): boolean {
    return this.#res !== undefined && !(this.#res.writableFinished && this.#req?.complete)
  }

  #debtNow(): Debt | undefined {
    const [req, res] = [this.#req, this.#res]
    if (unsent(this.socket) > 0) return 'to read'
    if (this.#refused && !(res && this.#isAtWork() && req?.complete)) return 'to leave'
    if (!req || !res || req.complete) return undefined
    if (res.writableFinished) return 'to leave'
    // Somebody reads the body, and all that came of it was taken.
    return req.readableFlowing !== null && req.readableLength === 0 ? 'to send' : undefined
  }

  #moved(debt: Debt): number {
    return debt === 'to read' ? this.socket.bytesWritten - unsent(this.socket) : this.socket.bytesRead
  }

  #isLate(debt: Debt): void {
    if (debt === 'to send' && !this.#res?.headersSent)
      this.refuse(408, 'the body of the request came too slowly; send it again, in smaller parts if need be')
    else this.socket.destroy()
  }
}

/**
 * Bytes that were written and that the system has not taken yet. `writableLength` alone falls only when a whole chunk
 * has gone, which takes a slow client minutes. The size of the queue is no public property, and so may be missing.
 */
function unsent(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { _handle?: { writeQueueSize?: number } | null }
  return handle?.writeQueueSize ?? socket.writableLength
}

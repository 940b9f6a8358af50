import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Logger, writeRecord } from '../log.ts'

/** Requests that change nothing. */
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

/** nginx's number for a client that went away before its response began. */
const CLIENT_CLOSED_REQUEST = 499

/** Longer texts are cut, because a client could fill the disk with them. */
const MAX_TEXT_LENGTH = 512

/** Who made the request, as `Access` found out. */
const IDENTITY = Symbol('identity')

export interface Identity {
  /** A name for people; never a secret. */
  readonly who: string
  /** Whether credentials came and were wrong. */
  readonly isRefused?: boolean
}

type Request = IncomingMessage & { [IDENTITY]?: Identity }

/** Of pino's levels. */
const INFO = 30

const ANONYMOUS: Identity = { who: 'anonymous' }

/** Notes who made the request, for its line in the log. */
export function identify(req: IncomingMessage, identity: Identity): void {
  ;(req as Request)[IDENTITY] = identity
}

/**
 * One line for each request, after its response has ended, and a request id that is in the line and in the response.
 * Changes and wrong credentials are always logged, all other requests if they are wanted.
 */
export class AccessLog {
  readonly #log: Logger
  readonly #all: boolean
  /** Ids are unique over restarts: a random part for the process, and a number. */
  readonly #process = randomBytes(4).toString('hex')
  #count = 0
  /** The second of the last line, as text: most lines share it. */
  #second = { number: 0, text: '' }

  /** `all`: also requests that only read. */
  constructor(log: Logger, { all }: { readonly all: boolean }) {
    this.#log = log
    this.#all = all
  }

  /** The level may change while requests are served. A number is compared, because every read asks. */
  #logsAll(): boolean {
    return this.#all && this.#log.levelVal <= INFO
  }

  nextId(): string {
    return `${this.#process}-${(++this.#count).toString(36)}`
  }

  /** Logs the request when its response has ended or its client has gone. */
  watch(req: IncomingMessage, res: ServerResponse, id: string): void {
    const { socket } = req
    const client = socket.remoteAddress
    const [began, read, written] = [performance.now(), socket.bytesRead, socket.bytesWritten]
    res.once('close', () => {
      const { who, isRefused }: Identity = (req as Request)[IDENTITY] ?? ANONYMOUS
      const status = res.headersSent ? res.statusCode : CLIENT_CLOSED_REQUEST
      const isChange = !SAFE_METHODS.has(req.method ?? '') && status < 400
      if (!this.#logsAll() && !isChange && !isRefused) return
      const isWhole = res.writableFinished
      const fields = {
        id,
        client,
        method: req.method,
        path: cut(req.url ?? ''),
        status,
        in: req.complete ? Number(req.headers['content-length'] ?? 0) : socket.bytesRead - read,
        out: isWhole ? bodyLength(req, res) : socket.bytesWritten - written,
        ms: Math.round((performance.now() - began) * 10) / 10,
        who,
        agent: cut(req.headers['user-agent'] ?? ''),
        // The client went away, or the response was broken off.
        ...(!isWhole && { cut: true }),
      }
      if (isRefused) this.#log.warn(fields, 'request')
      else this.#log.info(fields, 'request')
    })
  }

  /** Logs a read that was answered at once with so many bytes. Costs a third of `watch`. */
  noteCached(req: IncomingMessage, id: string, bytes: number): void {
    if (!this.#logsAll()) return
    const { who } = req.headers.authorization === undefined ? ANONYMOUS : { who: 'known' }
    const { method, url = '', socket, headers } = req
    writeRecord(
      this.#log,
      `{"level":"info","time":"${this.#now()}","id":"${id}","client":"${socket.remoteAddress}","method":"${method}",` +
        `"path":${JSON.stringify(cut(url))},"status":200,"in":0,"out":${bytes},"ms":0,"who":"${who}",` +
        `"agent":${JSON.stringify(cut(headers['user-agent'] ?? ''))},"msg":"request"}\n`,
    )
  }

  /** ISO 8601 with milliseconds. */
  #now(): string {
    const now = Date.now()
    const number = Math.floor(now / 1000)
    if (number !== this.#second.number)
      this.#second = { number, text: new Date(number * 1000).toISOString().slice(0, 20) }
    return `${this.#second.text}${(now % 1000).toString().padStart(3, '0')}Z`
  }
}

function bodyLength(req: IncomingMessage, res: ServerResponse): number {
  return req.method === 'HEAD' ? 0 : Number(res.getHeader('content-length') ?? 0)
}

function cut(text: string): string {
  return text.length > MAX_TEXT_LENGTH ? `${text.slice(0, MAX_TEXT_LENGTH)}…` : text
}

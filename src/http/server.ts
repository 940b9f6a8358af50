import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type Koa from 'koa'
import type { Deadlines } from './connection.ts'
import { type ConnectionLimits, Connections, type ReportRefused } from './connections.ts'
import { framingFault } from './framing.ts'

/** How long a connection may be idle between two requests, in milliseconds. */
const KEEP_ALIVE_TIMEOUT_MS = 60_000

/** How long the head of a request may take, in milliseconds. */
const HEADERS_TIMEOUT_MS = 30_000

const TICK_MS = 1000

/** 512 bytes a second, over a minute: a transfer that goes on takes as long as it takes. */
const DEADLINES: Deadlines = { windowTicks: 60, windowBytes: 60 * 512, lingerTicks: 2 }

export interface ServerOptions {
  /** By default there are none. */
  readonly limits?: ConnectionLimits
  readonly onRefused?: ReportRefused
  /** By default a second. */
  readonly tickMs?: number
}

const NO_LIMITS: ConnectionLimits = {
  maxConnections: Number.POSITIVE_INFINITY,
  maxConnectionsPerAddress: Number.POSITIVE_INFINITY,
}

/** An HTTP server with limits that fit uploads of any length. */
export function createHttpServer(
  app: Koa,
  { limits = NO_LIMITS, onRefused = () => {}, tickMs = TICK_MS }: ServerOptions = {},
): Server {
  const answer = app.callback()
  /** Requests with an expectation other than `100-continue` (RFC 9110, 10.1.1). */
  const unmet = new WeakSet<IncomingMessage>()
  const handle = (req: IncomingMessage, res: ServerResponse) => {
    const fault = framingFault(req)
    if (fault !== undefined) refuse(req, fault)
    else if (!isTarget(req.url ?? '')) refuse(req, 'the target of the request is not a URL')
    else if (unmet.has(req)) refuse(req, 'the only expectation that is met is 100-continue', 417)
    else answer(req, res)
  }
  const refuse = (req: IncomingMessage, message: string, status = 400) =>
    connections.of(req.socket)?.refuse(status, message)
  const connections = new Connections(limits, DEADLINES, handle, onRefused)
  const take = (req: IncomingMessage, res: ServerResponse) => connections.of(req.socket)?.take(req, res)
  const server = createServer(
    {
      maxHeaderSize: 32 * 1024,
      headersTimeout: HEADERS_TIMEOUT_MS,
      // Node.js looks for late heads so often.
      connectionsCheckingInterval: 5000,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      // The deadlines of everything behind the head are those of a connection.
      requestTimeout: 0,
    },
    take,
  )
  const ticking = setInterval(() => connections.tick(), tickMs).unref()
  server.on('connection', socket => connections.add(socket))
  server.on('close', () => clearInterval(ticking))
  // The handler says when the body may come, once it knows that it wants it, see bodyOf.
  server.on('checkContinue', take)
  // Node.js would answer by itself, before the framing was checked, and go on with the bytes after it.
  server.on('checkExpectation', (req, res) => {
    unmet.add(req)
    take(req, res)
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const connection = connections.of(socket as Socket)
    const status = STATUS_OF[error.code ?? ''] ?? 400
    if (!connection || error.code === 'ECONNRESET') socket.destroy()
    else connection.failed(status, `the request is not HTTP/1.1: ${error.message}`)
  })
  return server
}

const STATUS_OF: Record<string, number> = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 }

/** RFC 9112, 3.2: a path, the whole URL (which proxies send), or `*`. What is none, Koa fails on. */
function isTarget(url: string): boolean {
  return url.startsWith('/') || url === '*' || URL.canParse(url)
}

/** How long requests under way may take once the server is to stop, in milliseconds. */
const LAST_ORDERS = 15_000

/** Takes no more requests and resolves when those under way are answered, or cut off at the limit. */
export function closeServer(server: Server, limit = LAST_ORDERS): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => server.closeAllConnections(), limit)
    // Who asks once more on a connection that it has is answered, and told that it is the last time.
    server.prependListener('request', (_, res) => {
      res.shouldKeepAlive = false
    })
    // A connection falls idle when its last answer is out, and its client would keep it for as long as it may.
    const sweep = setInterval(() => server.closeIdleConnections(), 50)
    server.close(error => {
      clearInterval(sweep)
      clearTimeout(late)
      if (error) reject(error)
      else resolve()
    })
  })
}

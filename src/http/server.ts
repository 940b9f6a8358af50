import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type Koa from 'koa'

/** How long a connection may stand still, in milliseconds; a transfer that goes on takes as long as it takes. */
const IDLE = 60_000

/** An HTTP server with limits that fit uploads of any length. */
export function createHttpServer(app: Koa): Server {
  const answer = app.callback()
  const handle = (req: IncomingMessage, res: ServerResponse) => {
    if (hosts(req) > 1) refuse(req.socket, 400, 'the request has several Host headers')
    else if (!isTarget(req.url ?? '')) refuse(req.socket, 400, 'the target of the request is not a URL')
    else answer(req, res)
  }
  const server = createServer({ maxHeaderSize: 32 * 1024, headersTimeout: 30_000, requestTimeout: 0 }, handle)
  server.setTimeout(IDLE)
  server.keepAliveTimeout = IDLE
  // The handler says when the body may come, once it knows that it wants it, see bodyOf.
  server.on('checkContinue', handle)
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const status = STATUS_OF[error.code ?? ''] ?? 400
    refuse(socket, status, `the request is not HTTP/1.1: ${error.message}`)
  })
  return server
}

const STATUS_OF: Record<string, number> = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 }

/** Answers what never became a request that the app could answer, and ends the connection. */
function refuse(socket: Duplex, status: number, message: string): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const body = JSON.stringify({ errors: [{ code: 'UNSUPPORTED', message }] })
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
}

/** RFC 9112, 3.2: several must be refused; Node would take the first. */
function hosts({ rawHeaders }: IncomingMessage): number {
  return rawHeaders.filter((text, i) => i % 2 === 0 && text.length === 4 && text.toLowerCase() === 'host')
    .length
}

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

import { createServer, type Server } from 'node:http'
import type Koa from 'koa'

/** How long a connection may stand still, in milliseconds; a transfer that goes on takes as long as it takes. */
const IDLE = 60_000

/** An HTTP server with limits that fit uploads of any length. */
export function createHttpServer(app: Koa): Server {
  const handle = app.callback()
  const server = createServer({ maxHeaderSize: 32 * 1024, headersTimeout: 30_000, requestTimeout: 0 }, handle)
  server.setTimeout(IDLE)
  server.keepAliveTimeout = IDLE
  // The handler says when the body may come, once it knows that it wants it, see bodyOf.
  server.on('checkContinue', handle)
  return server
}

/** Takes no more requests and resolves when those under way are answered. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close(error => (error ? reject(error) : resolve()))
    server.closeIdleConnections()
  })
}

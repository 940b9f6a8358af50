import { pipeline } from 'node:stream'
import type { Context } from 'koa'

/**
 * Sends what the handlers have made, as Koa does, but for what no handler here makes: objects, and a status without a
 * body of its own.
 */
export function respond(ctx: Context): void {
  // The handler has taken the response over.
  if (ctx.respond === false) return
  const { res, body } = ctx
  if (!ctx.writable) {
    res.end()
  } else if (body === null || body === undefined) {
    // RFC 9110, 8.6: neither status has a Content-Length.
    if (ctx.status !== 204 && ctx.status !== 304 && ctx.method !== 'HEAD') ctx.length = 0
    res.end()
  } else if (typeof body === 'string' || Buffer.isBuffer(body)) {
    // Node.js sends no body to HEAD.
    res.end(body)
  } else if (ctx.method === 'HEAD') {
    res.end()
  } else {
    // It destroys both if one of them fails; nothing more can be told then.
    pipeline(body as NodeJS.ReadableStream, res, () => {})
  }
}

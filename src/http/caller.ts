import type { Context } from 'koa'
import type { Caller } from '../core/reads.ts'

/** Whose request it is: the other end of the connection. What a proxy says of its clients anybody could say. */
export function callerOf(ctx: Context): Caller {
  return {
    address: ctx.req.socket.remoteAddress,
    validates: /\bno-cache\b/i.test(ctx.req.headers['cache-control'] ?? ''),
  }
}

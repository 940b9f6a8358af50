import type { Context } from 'koa'

/** Answers with a status and headers alone; by itself Koa would write the status in words as the body. */
export function sendEmpty(ctx: Context, status: number): void {
  ctx.body = null
  ctx.status = status
}

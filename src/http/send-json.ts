import type { Context } from 'koa'
import { digestOf } from '../oci/digest.ts'
import { hasAlready } from './send-content.ts'

/** Answers with a document that may change; the client may keep it and ask whether it still holds (RFC 9110, 13.1.2). */
export function sendJson(ctx: Context, value: unknown): void {
  const body = JSON.stringify(value)
  const digest = digestOf(body)
  ctx.set('ETag', `"${digest}"`)
  ctx.set('Cache-Control', 'no-cache')
  if (hasAlready(ctx, digest)) {
    ctx.status = 304
    return
  }
  ctx.set('Content-Type', 'application/json')
  ctx.body = body
}

import type { Context } from 'koa'
import { digestOf } from '../oci/digest.ts'
import { hasAlready } from './send-content.ts'

/** Answers with JSON: compact, and without a charset, which it has none of (RFC 8259, 11). */
export function sendJson(ctx: Context, value: unknown, type = 'application/json'): void {
  ctx.set('Content-Type', type)
  ctx.body = JSON.stringify(value)
}

/** Answers with a document that may change; the client may keep it and ask whether it still holds (RFC 9110, 13.1.2). */
export function sendDocument(ctx: Context, value: unknown): void {
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

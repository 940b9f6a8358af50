import type { Context, Next } from 'koa'
import { errno, isOutOfDescriptors } from '../lib/errno.ts'
import type { Logger } from '../log.ts'
import { RegistryError } from '../oci/errors.ts'
import { storageError } from '../oci/storage-error.ts'
import { isGone } from './client-gone.ts'
import { FaultLog } from './fault-log.ts'
import { holdBody } from './held-memory.ts'
import { endWhileReceiving } from './linger.ts'
import { OAuthError } from './oauth-error.ts'

/** Renders every error once: the spec's JSON under /v2/, OAuth's at its endpoints, one line of text elsewhere. */
export function renderErrors(log: Logger) {
  const faults = new FaultLog(log)
  return async (ctx: Context, next: Next): Promise<void> => {
    try {
      await next()
      holdBody(ctx)
    } catch (error) {
      // The client has gone, or has had a part of the answer: a cut connection is all that can still be told.
      if (isGone(ctx.res) || ctx.res.headersSent) {
        if (isOurs(error))
          log.error({ err: error, method: ctx.method, url: ctx.url }, 'an answer was cut off')
        ctx.res.destroy()
        ctx.respond = false
        return
      }
      const rendered = error instanceof RegistryError ? error : unexpected(error)
      if (rendered.status >= 500) faults.report(rendered, ctx)
      await render(ctx, rendered)
    }
  }
}

/** ECANCELED: of a write that was under way when the connection was closed. */
const CLIENT_HAS_GONE = new Set<string | undefined>([
  'ECANCELED',
  'ECONNRESET',
  'EPIPE',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_PREMATURE_CLOSE',
])

/** Whether somebody has to know, though no client can be told. */
function isOurs(error: unknown): boolean {
  return error instanceof RegistryError ? error.status >= 500 : !CLIENT_HAS_GONE.has(errno(error))
}

/** What Node's parser stumbles over in a body is the client's fault, all else is ours. */
function unexpected(cause: unknown): RegistryError {
  // No file could be opened, whatever for: the client may come back.
  const meaning = isOutOfDescriptors(cause) ? storageError(cause) : undefined
  if (meaning instanceof RegistryError) return meaning
  if (!errno(cause)?.startsWith('HPE_')) return new RegistryError('INTERNAL', { cause })
  return new RegistryError('BAD_REQUEST', { message: 'the body of the request is not HTTP/1.1' })
}

async function render(ctx: Context, error: RegistryError): Promise<void> {
  for (const name of ctx.res.getHeaderNames())
    if (/^(content-|etag$|cache-control$)/.test(name)) ctx.remove(name)
  const [type, body] = typeAndBody(ctx, error)
  ctx.status = error.status
  ctx.set(error.headers)
  ctx.set('Content-Type', type)
  if (ctx.req.complete || ctx.method === 'GET' || ctx.method === 'HEAD') {
    ctx.body = body
  } else {
    ctx.set('Connection', 'close')
    ctx.respond = false
    await endWhileReceiving(ctx.req, ctx.res, body)
  }
}

function typeAndBody(ctx: Context, error: RegistryError): [type: string, body: string] {
  if (error instanceof OAuthError) return ['application/json', error.body]
  const { code, message, detail } = error
  if (ctx.path !== '/v2' && !ctx.path.startsWith('/v2/')) return ['text/plain; charset=utf-8', message]
  const errors = [{ code, message, ...(detail !== undefined && { detail }) }]
  return ['application/json', JSON.stringify({ errors })]
}

import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import type { Context } from 'koa'
import type { Logger } from '../log.ts'
import { RegistryError } from '../oci/errors.ts'
import { isGone } from './client-gone.ts'

/** A connection that is silent for longer may be cut by what is in between, in milliseconds. */
const HEARTBEAT = 10_000

/**
 * Answers with what the work writes, as lines of JSON, at the pace of the client. Empty lines say that it is at work;
 * where it fails, the last line is `{"error":…}`.
 */
export function sendLines(
  ctx: Context,
  log: Logger,
  work: (write: (value: object) => Promise<void>, signal: AbortSignal) => Promise<void>,
): void {
  const out = new PassThrough()
  const gone = new AbortController()
  // Not to a client that leaves its lines unread: it would pile them up.
  const heartbeat = setInterval(() => out.writableNeedDrain || out.write('\n'), HEARTBEAT)
  const { signal } = gone
  out.once('close', () => gone.abort())
  // Koa takes no stream over for a client that has gone, so nothing else would end it.
  ctx.res.once('close', () => out.destroy())
  if (isGone(ctx.res)) out.destroy()
  const write = async (value: object) => {
    signal.throwIfAborted()
    if (!out.write(`${JSON.stringify(value)}\n`)) await once(out, 'drain', { signal })
  }
  work(write, signal)
    .catch(error => {
      if (signal.aborted) return
      const { status, message } = error instanceof RegistryError ? error : new RegistryError('INTERNAL')
      if (status >= 500) log.error({ err: error, path: ctx.path }, 'an answer in lines broke off')
      out.write(`${JSON.stringify({ error: message })}\n`)
    })
    .finally(() => {
      clearInterval(heartbeat)
      out.end()
    })
  ctx.set('Content-Type', 'application/x-ndjson')
  ctx.body = out
}

import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import type { Context } from 'koa'
import type { Logger } from '../log.ts'
import { RegistryError } from '../oci/errors.ts'

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
  const heartbeat = setInterval(() => out.write('\n'), HEARTBEAT)
  const { signal } = gone
  out.once('close', () => gone.abort())
  const write = async (value: object) => {
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

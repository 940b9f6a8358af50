import { once } from 'node:events'
import { PassThrough, type Readable } from 'node:stream'
import Router from '@koa/router'
import type { Registry } from '../core/registry.ts'
import type { Logger } from '../log.ts'
import { parseDigest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Access } from './access.ts'
import { parametersOf } from './parameters.ts'
import { sendJson } from './send-json.ts'

/** A connection that is silent for longer may be cut by what is in between, in milliseconds. */
const HEARTBEAT = 10_000

/** Garbage collection at once and by hand, for `memflow-registry gc` beside a registry that serves. */
export function garbageApi({ collector }: Registry, access: Access, log: Logger): Router {
  const router = new Router({ sensitive: true, strict: true })

  /** A line of JSON for all that goes, then `{"collected":…}` or `{"error":…}`; empty lines say that it is at work. */
  router.post('/ops/gc', async ctx => {
    await access.requireWrite(ctx)
    const dryRun = parametersOf(ctx).has('dry-run')
    await collector.check()
    ctx.set('Content-Type', 'application/x-ndjson')
    ctx.body = lines(log, async (write, signal) => {
      const collected = await collector.collect({ dryRun, gentle: true, signal, onGarbage: write })
      await write({ collected })
    })
  })

  /** What keeps a blob or manifest, or why it goes. */
  router.get('/ops/gc/:digest', async ctx => {
    await access.requireWrite(ctx)
    const digest = parseDigest(ctx.params.digest ?? '')
    const explanation = await collector.explain(digest)
    if (!explanation) throw new RegistryError('BLOB_UNKNOWN', { detail: { digest } })
    sendJson(ctx, explanation)
  })

  return router
}

/** What the work writes, as lines of JSON, at the pace of the client. Its error is the last line. */
function lines(
  log: Logger,
  work: (write: (value: object) => Promise<void>, signal: AbortSignal) => Promise<void>,
): Readable {
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
      log.error({ err: error }, 'garbage could not be collected')
      const { message } = error instanceof RegistryError ? error : new RegistryError('INTERNAL')
      out.write(`${JSON.stringify({ error: message })}\n`)
    })
    .finally(() => {
      clearInterval(heartbeat)
      out.end()
    })
  return out
}

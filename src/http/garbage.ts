import Router from '@koa/router'
import type { Registry } from '../core/registry.ts'
import { DURATION, parseDurationOrZero } from '../lib/units.ts'
import type { Logger } from '../log.ts'
import { parseAbbreviated } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Access } from './access.ts'
import { parametersOf } from './parameters.ts'
import { sendJson } from './send-json.ts'
import { sendLines } from './send-lines.ts'

/** Garbage collection at once and by hand, for `memflow-registry gc` beside a registry that serves. */
export function garbageApi({ collector }: Registry, access: Access, log: Logger): Router {
  const router = new Router({ sensitive: true, strict: true })

  /** A line of JSON for all that goes, then `{"collected":…}`. `grace`: the grace period of this pass, as in `MEMFLOW_GC_GRACE`, or 0. */
  router.post('/ops/gc', async ctx => {
    await access.requireWrite(ctx)
    const parameters = parametersOf(ctx)
    const dryRun = parameters.has('dry-run')
    const graceMs = graceOf(parameters.get('grace'))
    await collector.check()
    sendLines(ctx, log, async (write, signal) => {
      const collected = await collector.collect({ dryRun, graceMs, gentle: true, signal, onGarbage: write })
      await write({ collected })
    })
  })

  /** What keeps a blob or manifest, or why it goes. */
  router.get('/ops/gc/:digest', async ctx => {
    await access.requireWrite(ctx)
    const digest = parseAbbreviated(ctx.params.digest ?? '')
    if (digest === undefined) throw new RegistryError('DIGEST_INVALID', { message: 'not a digest' })
    const explanation = await collector.explain(digest)
    if (!explanation) throw new RegistryError('BLOB_UNKNOWN', { detail: { digest } })
    sendJson(ctx, explanation)
  })

  return router
}

function graceOf(text: string | null): number | undefined {
  if (text === null) return undefined
  const grace = parseDurationOrZero(text)
  if (grace !== undefined) return grace
  throw new RegistryError('BAD_REQUEST', { message: `grace is not ${DURATION}, or 0` })
}

import Router from '@koa/router'
import type { Registry } from '../core/registry.ts'
import type { Logger } from '../log.ts'
import { parseDigest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Access } from './access.ts'
import { parametersOf } from './parameters.ts'
import { sendJson } from './send-json.ts'
import { sendLines } from './send-lines.ts'

/** Garbage collection at once and by hand, for `memflow-registry gc` beside a registry that serves. */
export function garbageApi({ collector }: Registry, access: Access, log: Logger): Router {
  const router = new Router({ sensitive: true, strict: true })

  /** A line of JSON for all that goes, then `{"collected":…}`. */
  router.post('/ops/gc', async ctx => {
    await access.requireWrite(ctx)
    const dryRun = parametersOf(ctx).has('dry-run')
    await collector.check()
    sendLines(ctx, log, async (write, signal) => {
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

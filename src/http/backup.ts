import Router from '@koa/router'
import type { Registry } from '../core/registry.ts'
import type { Logger } from '../log.ts'
import { parseRepository } from '../oci/name.ts'
import type { Access } from './access.ts'
import { parametersOf } from './parameters.ts'
import { sendLines } from './send-lines.ts'

/** All manifests as they are at one moment, for `memflow-registry backup` beside a registry that serves. */
export function backupApi(registry: Registry, access: Access, log: Logger): Router {
  const router = new Router({ sensitive: true, strict: true })

  /** Of the repositories that the query names, or of all: a line of JSON for each manifest, then `{"end":true}`. */
  router.get('/ops/backup', async ctx => {
    await access.requireWrite(ctx)
    const repositories = parametersOf(ctx).getAll('repository').map(parseRepository)
    sendLines(ctx, log, async write => {
      for await (const row of registry.backupRows(repositories)) await write(row)
      await write({ end: true })
    })
  })

  return router
}

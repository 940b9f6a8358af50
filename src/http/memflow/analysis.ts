import type Router from '@koa/router'
import type { Context } from 'koa'
import type { Plugins } from '../../core/plugins.ts'
import type { Digest } from '../../oci/digest.ts'
import { sendDocument } from '../send-json.ts'
import { parseHostQuery } from './host-query.ts'
import { pathPart } from './path.ts'

/** What is read out of plugins, and which one fits: docs/analysis.md and docs/compatibility.md. */
export function analysisRoutes(
  router: Router,
  plugins: Plugins,
  digestFor: (ctx: Context) => Promise<Digest>,
): void {
  router.get('/files/:digest/analysis', async ctx => {
    sendDocument(ctx, await plugins.analysis(await digestFor(ctx)))
  })

  router.get('/plugins/:name/compatible', async ctx => {
    const name = pathPart(ctx, 'plugin_name')
    const { host, skip, limit } = parseHostQuery(ctx.querystring)
    const { more, ...answer } = await plugins.compatible(name, host, skip, limit)
    sendDocument(ctx, {
      plugin: name,
      host,
      ...answer,
      skip,
      next: more ? nextPage(ctx, skip + limit) : null,
    })
  })
}

/** The same question about the builds behind this page. */
function nextPage(ctx: Context, skip: number): string {
  const query = new URLSearchParams(ctx.querystring)
  query.set('skip', String(skip))
  return `${ctx.path}?${query}`
}

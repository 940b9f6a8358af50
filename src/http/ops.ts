import Router from '@koa/router'
import type { Registry } from '../core/registry.ts'
import { sendJson } from './send-json.ts'

/** What operators and their machines ask. */
export function opsApi(registry: Registry): Router {
  const router = new Router({ sensitive: true, strict: true })

  /** Whether to restart it: 200 as long as what is here can be read, also if nothing can be written. */
  router.get('/health', async ctx => {
    try {
      await registry.checkReads()
      sendJson(ctx, 'Ok')
    } catch {
      ctx.status = 503
      sendJson(ctx, { Error: 'database unhealthy' })
    }
  })

  /** Whether to send requests here: 200 if they are read and written, else which part fails, why, and since when. */
  router.get('/ready', async ctx => {
    const troubles = await registry.troubles()
    if (troubles.length === 0) {
      sendJson(ctx, 'Ok')
      return
    }
    ctx.status = 503
    ctx.set('Content-Type', 'text/plain; charset=utf-8')
    ctx.body = troubles.join('\n')
  })

  return router
}

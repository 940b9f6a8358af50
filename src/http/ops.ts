import Router from '@koa/router'
import type { Registry } from '../core/registry.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Access } from './access.ts'
import { sendJson } from './send-json.ts'

/** What operators, their machines and login flows ask. */
export function opsApi(registry: Registry, access: Access): Router {
  const router = new Router({ sensitive: true, strict: true })

  router.get('/health', async ctx => {
    try {
      await registry.check()
      sendJson(ctx, 'Ok')
    } catch {
      ctx.status = 503
      sendJson(ctx, { Error: 'database unhealthy' })
    }
  })

  /** For what sends requests here: whether all kinds of them are answered, and why not. */
  router.get('/ready', async ctx => {
    try {
      await registry.check()
      sendJson(ctx, 'Ok')
    } catch (error) {
      ctx.status = 503
      ctx.set('Content-Type', 'text/plain; charset=utf-8')
      ctx.body = error instanceof RegistryError ? error.message : 'the index does not work'
    }
  })

  /** Docker's token flow, see Access. */
  router.get('/token', async ctx => {
    const token = await access.issue(ctx)
    ctx.set('Cache-Control', 'no-store')
    sendJson(ctx, token)
  })

  return router
}

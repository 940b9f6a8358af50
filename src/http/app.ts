import type { IncomingMessage, ServerResponse } from 'node:http'
import Koa, { type Context, type Next } from 'koa'
import type { Registry } from '../core/registry.ts'
import type { Logger } from '../log.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Access } from './access.ts'
import { backupApi } from './backup.ts'
import { renderErrors } from './errors.ts'
import { garbageApi } from './garbage.ts'
import { memflowApi, refuseMethod } from './memflow/routes.ts'
import { ociApi } from './oci/dispatch.ts'
import { opsApi } from './ops.ts'
import { ReadyAnswers } from './ready-answers.ts'
import { respond } from './respond.ts'

/** What is ready goes out before Koa, which costs more than all else of such an answer. */
export class App extends Koa {
  readonly #ready: ReadyAnswers

  constructor(ready: ReadyAnswers) {
    super()
    this.#ready = ready
  }

  override callback(): ReturnType<Koa['callback']> {
    const answer = super.callback()
    return (req, res) =>
      this.#ready.send(req as IncomingMessage, res as ServerResponse) ? DONE : answer(req, res)
  }

  /**
   * In place of Koa's, which listens on the response and on its connection for errors as well. The server reports these,
   * and listening takes a twentieth of the time of an answer.
   */
  async handleRequest(ctx: Context, work: (ctx: Context) => Promise<void>): Promise<void> {
    ctx.res.statusCode = 404
    try {
      await work(ctx)
      respond(ctx)
    } catch (error) {
      ctx.onerror(error as Error)
    }
  }
}

const DONE = Promise.resolve()

/** All routes over one registry. */
export function createApp(
  registry: Registry,
  access: Access,
  log: Logger,
  options: { maxPluginSize: number; cacheSize: number },
): Koa {
  const ready = new ReadyAnswers(options.cacheSize, header => access.isKnown(header))
  const app = new App(ready)
  // Koa tells of broken connections too; what is to be known of them is logged where errors are rendered.
  app.on('error', error => {
    if (!error.headerSent) log.error({ err: error }, 'request failed')
  })
  app.use(ready.keep)
  app.use(renderErrors(log))
  app.use(everywhere)
  app.use(ociApi(registry, access))
  app.use(notFound)
  app.use(refuseMethod)
  app.use(memflowApi(registry, access, options.maxPluginSize).routes())
  app.use(opsApi(registry, access).routes())
  app.use(garbageApi(registry, access, log).routes())
  app.use(backupApi(registry, access, log).routes())
  return app
}

/** Content is what it says it is, and anybody's page may read what anybody may read. */
function everywhere(ctx: Context, next: Next): Promise<void> {
  ctx.set('X-Content-Type-Options', 'nosniff')
  if (ctx.method === 'GET' || ctx.method === 'HEAD') ctx.set('Access-Control-Allow-Origin', '*')
  return next()
}

async function notFound(ctx: Context, next: Next): Promise<void> {
  await next()
  if (ctx._matchedRoute === undefined) {
    throw new RegistryError('NOT_FOUND', {
      message: 'nothing is here; see /plugins, /files/{digest}, /health and /v2/',
    })
  }
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import Koa, { type Context, type Next } from 'koa'
import type { Registry } from '../core/registry.ts'
import type { Logger } from '../log.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Access } from './access.ts'
import { AccessLog } from './access-log.ts'
import { backupApi } from './backup.ts'
import { cors } from './cors.ts'
import { renderErrors } from './errors.ts'
import { garbageApi } from './garbage.ts'
import { memflowApi, refuseMethod } from './memflow/routes.ts'
import { ociApi } from './oci/dispatch.ts'
import { opsApi } from './ops.ts'
import { REQUEST_ID, ReadyAnswers } from './ready-answers.ts'
import { respond } from './respond.ts'
import { tokenApi } from './token-endpoint.ts'

/** What is ready goes out before Koa, which costs more than all else of such an answer. */
export class App extends Koa {
  readonly #ready: ReadyAnswers
  readonly #accessLog: AccessLog

  constructor(ready: ReadyAnswers, accessLog: AccessLog) {
    super()
    this.#ready = ready
    this.#accessLog = accessLog
  }

  override callback(): ReturnType<Koa['callback']> {
    const answer = super.callback() as (req: IncomingMessage, res: ServerResponse) => Promise<void>
    return ((req: IncomingMessage, res: ServerResponse) => {
      const id = this.#accessLog.nextId()
      const bytes = this.#ready.send(req, res, id)
      if (bytes !== undefined) {
        this.#accessLog.noteCached(req, id, bytes)
        return DONE
      }
      this.#accessLog.watch(req, res, id)
      res.setHeader(REQUEST_ID, id)
      return answer(req, res)
    }) as ReturnType<Koa['callback']>
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
  options: { maxPluginSize: number; cacheSize: number; accessLog: boolean; corsOrigins: readonly string[] },
): Koa {
  const ready = new ReadyAnswers(options.cacheSize, header => access.credentials.isCached(header))
  const app = new App(ready, new AccessLog(log, { all: options.accessLog }))
  // Koa tells of broken connections too; what is to be known of them is logged where errors are rendered.
  app.on('error', error => {
    if (!error.headerSent) log.error({ err: error }, 'request failed')
  })
  app.use(ready.keep)
  app.use(renderErrors(log))
  app.use(noSniffing)
  app.use(cors(options.corsOrigins))
  app.use(ociApi(registry, access))
  app.use(notFound)
  app.use(refuseMethod)
  app.use(memflowApi(registry, access, options.maxPluginSize).routes())
  app.use(opsApi(registry).routes())
  app.use(tokenApi(registry.refreshTokens, access).routes())
  app.use(garbageApi(registry, access, log).routes())
  app.use(backupApi(registry, access, log).routes())
  return app
}

/** A browser must take the content for what its type says (https://fetch.spec.whatwg.org/#x-content-type-options-header). */
function noSniffing(ctx: Context, next: Next): Promise<void> {
  ctx.set('X-Content-Type-Options', 'nosniff')
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

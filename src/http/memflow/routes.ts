import Router from '@koa/router'
import type { Context, Next } from 'koa'
import type { Origin } from '../../core/plugin-reads.ts'
import type { MayBeStale } from '../../core/reads.ts'
import type { Registry } from '../../core/registry.ts'
import { type Digest, hexOf, isDigest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import { PluginError } from '../../plugin/error.ts'
import type { Access } from '../access.ts'
import { callerOf } from '../caller.ts'
import { whereAsked } from '../only-if-cached.ts'
import { standsOn } from '../ready-answers.ts'
import { sendContent } from '../send-content.ts'
import { sendEmpty } from '../send-empty.ts'
import { sendJson } from '../send-json.ts'
import { warnOfAge } from '../stale.ts'
import { analysisRoutes } from './analysis.ts'
import { fileNameOf } from './file-name.ts'
import { readForm } from './form.ts'
import { NamesAnswers } from './names-answer.ts'
import { pathPart } from './path.ts'
import { parseQuery } from './query.ts'

/** The REST API that memflow's own clients speak, to the byte; its texts are the original server's. */
export function memflowApi(registry: Registry, access: Access, maxPluginSize: number): Router {
  const { freshness, here, pluginReads, plugins } = registry
  const names = new NamesAnswers(
    caller => pluginReads.names(caller),
    () => freshness.names(),
    { isLocal: registry.mirrors.memflow.length === 0 },
  )
  const router = new Router({ sensitive: true, strict: true })

  /** The digest in the path, or the one that begins so. Throws `PLUGIN_UNKNOWN`, `BAD_REQUEST` if several do. */
  const digestFor = async (ctx: Context): Promise<{ digest: Digest; isShort: boolean }> => {
    const digits = digitsIn(ctx)
    const isShort = /^[0-9a-f]{7,63}$/.test(digits)
    return { digest: isShort ? await plugins.find(digits) : digestIn(ctx), isShort }
  }

  router.get('/plugins', async ctx => {
    const { body, unchanged, ...origin } = await names.get(callerOf(ctx))
    tellOrigin(ctx, unchanged, origin)
    ctx.set('Content-Type', 'application/json')
    ctx.body = body
  })

  router.get('/plugins/:name', async ctx => {
    const { filter, skip, limit } = parseQuery(ctx.querystring)
    const name = pathPart(ctx, 'plugin_name')
    const unchanged = freshness.variants(name)
    const among = skip > Number.MAX_SAFE_INTEGER ? 0 : limit
    const { items, ...origin } = await pluginReads.variants(name, filter, Number(skip), among, callerOf(ctx))
    tellOrigin(ctx, unchanged, origin)
    // By hand: a 64-bit number does not survive JSON.stringify.
    ctx.set('Content-Type', 'application/json')
    ctx.body = `{"plugins":${JSON.stringify(items)},"skip":${skip}}`
  })

  router.post('/files', async ctx => {
    await access.requireWrite(ctx)
    const { file, signature } = await readForm(ctx, maxPluginSize, body => plugins.stage(body))
    if (!file) throw new RegistryError('BAD_REQUEST', { message: 'file is required' })
    try {
      if (signature === undefined) {
        throw new RegistryError('BAD_REQUEST', { message: 'file signature is required' })
      }
      sendJson(ctx, (await plugins.publish(file, signature)) ? 'Added' : 'AlreadyExists')
    } catch (error) {
      throw error instanceof PluginError ? refused(error) : error
    } finally {
      await file.abort()
    }
  })

  router.get('/files/:digest', async ctx => {
    const { digest, isShort } = await digestFor(ctx)
    const unchanged = freshness.file(digest)
    const wanted = ctx.method === 'HEAD' ? 'size' : 'bytes'
    const content = await whereAsked(ctx, pluginReads, here.pluginReads, from =>
      from.file(digest, wanted, callerOf(ctx)),
    )
    if (!isShort) tellOrigin(ctx, unchanged, content)
    ctx.set(
      'Content-Disposition',
      `attachment; filename="${fileNameOf(content.descriptors ?? []) ?? hexOf(digest)}"`,
    )
    await sendContent(ctx, { digest, ...content, changes: isShort })
  })

  router.get('/files/:digest/metadata', async ctx => {
    const { digest, isShort } = await digestFor(ctx)
    const unchanged = freshness.file(digest)
    const { file, ...origin } = await whereAsked(ctx, pluginReads, here.pluginReads, from =>
      from.metadata(digest, callerOf(ctx)),
    )
    if (!isShort) tellOrigin(ctx, unchanged, origin)
    sendJson(ctx, file)
  })

  analysisRoutes(router, plugins, async ctx => (await digestFor(ctx)).digest)

  router.delete('/files/:digest', async ctx => {
    await access.requireWrite(ctx)
    await plugins.delete((await digestFor(ctx)).digest)
    sendEmpty(ctx, 200)
  })

  return router
}

/** What the router knows by another method, it refuses with the list of those that it has. */
export async function refuseMethod(ctx: Context, next: Next): Promise<void> {
  await next()
  const matched: { methods: string[] }[] = ctx.matched ?? []
  if (ctx._matchedRoute !== undefined || matched.length === 0) return
  const methods = new Set(matched.flatMap(layer => layer.methods))
  const ordered = ['GET', 'HEAD', 'POST', 'DELETE'].filter(method => methods.has(method))
  throw new RegistryError('METHOD_NOT_ALLOWED', { headers: { Allow: ordered.join(',') } })
}

/** What an upstream says holds for this answer only. */
function tellOrigin(ctx: Context, unchanged: () => boolean, { here, stale }: Origin & MayBeStale): void {
  if (here) standsOn(ctx, unchanged)
  if (stale) warnOfAge(ctx, stale)
}

function digitsIn(ctx: Context): string {
  return pathPart(ctx, 'digest').replace(/^sha256:/, '')
}

/** Nothing but a whole digest goes further, whatever the path says. Throws `PLUGIN_UNKNOWN`. */
function digestIn(ctx: Context): Digest {
  const digest = `sha256:${digitsIn(ctx)}`
  if (isDigest(digest)) return digest
  throw new RegistryError('PLUGIN_UNKNOWN')
}

/** memflowup shows this text to its user. That a file has no plugin in it is a case that the original stored in silence. */
function refused(error: PluginError): RegistryError {
  const reason = error.kind === 'not-found' ? `: ${error.reason}` : ''
  return new RegistryError('PLUGIN_INVALID', {
    message: `Memflow error: ${error.message}${reason}`,
    cause: error,
  })
}

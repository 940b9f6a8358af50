import type { Context, Next } from 'koa'
import type { Mirrors } from '../../core/mirror/mirrors.ts'
import type { Registry } from '../../core/registry.ts'
import { RegistryError } from '../../oci/errors.ts'
import { parseRepository, type Repository } from '../../oci/name.ts'
import type { Access } from '../access.ts'
import { parametersOf } from '../parameters.ts'
import { blobHandlers } from './blobs.ts'
import { listHandlers } from './lists.ts'
import { manifestHandlers } from './manifests.ts'
import { type Endpoint, parsePath } from './path.ts'
import { uploadHandlers } from './uploads.ts'

/** Answers a request on a repository; `last` is what the path ends in. */
export type Handler = (ctx: Context, repository: Repository, last: string) => Promise<void>

export type Handlers = Partial<Record<Endpoint, Record<string, Handler>>>

const READS = new Set(['GET', 'HEAD'])

/** The OCI distribution API, everything under /v2/. */
export function ociApi(registry: Registry, access: Access) {
  const handlers: Handlers = {
    ...blobHandlers(registry),
    ...uploadHandlers(registry),
    ...manifestHandlers(registry),
    ...listHandlers(registry),
  }
  return async (ctx: Context, next: Next): Promise<void> => {
    const path = ctx.path
    if (path !== '/v2' && !path.startsWith('/v2/')) return next()
    ctx.set('Docker-Distribution-Api-Version', 'registry/2.0')
    const target = parsePath(path)
    if (!target) throw new RegistryError('NOT_FOUND', { detail: { path } })
    const { endpoint, last } = target
    if (endpoint === 'base') return base(ctx, access)
    const methods = handlers[endpoint] ?? {}
    const handler = methods[ctx.method] ?? (ctx.method === 'HEAD' ? methods.GET : undefined)
    if (!handler) throw methodNotAllowed(methods)
    // The catalog is of no repository.
    const repository =
      endpoint === 'catalog' ? ('' as Repository) : repositoryOf(ctx, registry.mirrors, target.name)
    await authorize(ctx, access, endpoint, repository)
    await handler(ctx, repository, last)
  }
}

/**
 * The repository that the path means; with a mirror's namespace in `?ns=`, that of the mirror. Any other namespace is
 * not an error and changes nothing: containerd sends the host of the image name whenever it asks another host for it
 * (distribution-spec, Registry Proxying), so also for an image that was pushed here under an alias of this registry.
 */
function repositoryOf(ctx: Context, mirrors: Mirrors, name: string): Repository {
  const namespace = mirrors.configured ? parametersOf(ctx).get('ns') : null
  const local = namespace === null ? undefined : mirrors.localName(namespace, name)
  const repository = parseRepository(local ?? name)
  if (namespace !== null && local !== undefined) ctx.set('OCI-Namespace', namespace)
  return repository
}

async function base(ctx: Context, access: Access): Promise<void> {
  if (!READS.has(ctx.method)) throw methodNotAllowed({ GET: true, HEAD: true })
  await access.requireCredentials(ctx)
  ctx.set('Content-Type', 'application/json')
  ctx.body = '{}'
}

function authorize(ctx: Context, access: Access, endpoint: Endpoint, repository: Repository): Promise<void> {
  const grant = (...actions: string[]) => ({ type: 'repository', name: repository, actions })
  if (endpoint === 'catalog')
    return access.checkRead(ctx, { type: 'registry', name: 'catalog', actions: ['*'] })
  // An upload's status, and giving it up, are part of writing it.
  if (endpoint === 'upload') return access.requireWrite(ctx, grant('pull', 'push'))
  if (READS.has(ctx.method)) return access.checkRead(ctx, grant('pull'))
  return access.requireWrite(ctx, ctx.method === 'DELETE' ? grant('delete') : grant('pull', 'push'))
}

function methodNotAllowed(methods: Record<string, unknown>): RegistryError {
  const allowed = Object.keys(methods)
  if (allowed.includes('GET') && !allowed.includes('HEAD')) allowed.push('HEAD')
  return new RegistryError('METHOD_NOT_ALLOWED', { headers: { Allow: allowed.join(', ') } })
}

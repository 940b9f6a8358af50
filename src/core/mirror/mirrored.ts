import type { Batch } from '../../index/batch.ts'
import type { Reader } from '../../index/contract.ts'
import { LINKS, MIRRORED, REPOSITORIES } from '../../index/tables.ts'
import { RegistryError } from '../../oci/errors.ts'
import type { Repository } from '../../oci/name.ts'
import type { Mirrors, Route } from './mirrors.ts'

/*
 * A repository is mirrored or pushed to, never both: somebody else's content must not come under a name that was
 * begun by a push, and what is pulled under an upstream's name must be the upstream's.
 */

/** Where to ask for manifests of the repository: nowhere, where it was begun by a push. */
export async function routesOf(reader: Reader, mirrors: Mirrors, repository: Repository): Promise<Route[]> {
  const routes = mirrors.routes(repository)
  if (routes.length === 0 || mirrors.prefixed(repository)) return routes
  return (await isPushed(reader, repository)) ? [] : routes
}

/**
 * Where to ask for blobs of the repository. Without a prefix only once a manifest was pulled: a push begins with
 * asking for its blobs.
 */
export async function blobRoutesOf(
  reader: Reader,
  mirrors: Mirrors,
  repository: Repository,
): Promise<Route[]> {
  const routes = mirrors.routes(repository)
  if (routes.length === 0 || mirrors.prefixed(repository)) return routes
  return (await reader.get(MIRRORED, repository)) ? routes : []
}

/** Notes that the repository is mirrored. Throws `NAME_UNKNOWN` where a push has begun it meanwhile. */
export async function markMirrored(batch: Batch, mirrors: Mirrors, repository: Repository): Promise<void> {
  const [route] = await routesOf(batch, mirrors, repository)
  if (!route) throw new RegistryError('NAME_UNKNOWN', { detail: { name: repository } })
  if (!(await batch.get(MIRRORED, repository)))
    batch.put(MIRRORED, [repository], { mirror: route.rules.name })
}

/** Throws `DENIED` where the repository is an upstream's. */
export async function checkPush(reader: Reader, mirrors: Mirrors, repository: Repository): Promise<void> {
  if (!mirrors.configured) return
  const [route] = mirrors.routes(repository)
  if (!mirrors.prefixed(repository) && !(route && (await reader.get(MIRRORED, repository)))) return
  throw new RegistryError('DENIED', {
    message: `${repository} is a mirror${route ? ` of ${route.rules.name}` : ''} and takes no pushes: push to another repository`,
    detail: { name: repository },
  })
}

/** Whether the repository was begun by a push: of a manifest, or of the blobs that come before it. */
async function isPushed(reader: Reader, repository: Repository): Promise<boolean> {
  if (await reader.get(MIRRORED, repository)) return false
  if (await reader.get(REPOSITORIES, repository)) return true
  const [link] = await reader.page(LINKS, [repository], { limit: 1 })
  return link !== undefined
}

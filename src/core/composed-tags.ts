import type { Batch } from '../index/batch.ts'
import { bytewise, descendingI32, descendingNanos } from '../index/keys.ts'
import {
  BUILDS,
  type ClaimRow,
  COMPOSED,
  MANIFEST_BYTES,
  MANIFESTS,
  MIRRORED,
  TAGS,
} from '../index/tables.ts'
import type { Digest } from '../oci/digest.ts'
import type { Descriptor, Platform } from '../oci/manifest.ts'
import { OCI_INDEX } from '../oci/media-types.ts'
import type { Repository } from '../oci/name.ts'
import { repositoryOf } from '../oci/name.ts'
import {
  buildDescriptor,
  buildsIn,
  composedIndex,
  composedTagsOf,
  PLATFORMS,
  PLUGIN_TYPE,
  platformKey,
  platformOf,
} from '../oci/plugin-artifact.ts'
import { setTag, unsetTag } from './tag-rows.ts'

/** A manifest in a plugin's own repository that holds builds of it. */
export interface Build {
  readonly repository: Repository
  readonly manifest: Descriptor & { readonly digest: Digest }
  readonly claim: ClaimRow
}

/** The best build of each platform that has one. */
type Builds = Map<string, Descriptor>

/** Lets the composed tags of the repository choose among the builds in this manifest too. */
export async function addBuild(batch: Batch, build: Build): Promise<void> {
  // The tags of an upstream's repository are the upstream's.
  if (await batch.get(MIRRORED, build.repository)) return
  const rows = rowsOf(build)
  for (const [key, row] of rows) batch.put(BUILDS, key, row)
  await composeAll(batch, build.repository, rows)
}

/** Takes builds of a repository out of its composed tags, each of which is composed once. */
export async function removeBuilds(
  batch: Batch,
  repository: Repository,
  builds: readonly Build[],
): Promise<void> {
  const rows = builds.flatMap(rowsOf)
  for (const [key] of rows) batch.del(BUILDS, key)
  await composeAll(batch, repository, rows)
  const [other] = await batch.page(BUILDS, [repository], { limit: 1 })
  // Older composed indexes stay for clients that are between tag and digest; not when all they list is gone.
  if (!other) await removeComposed(batch, repository)
}

/**
 * Makes the tag what the builds say, unless a user has pushed it. Where it is composed already, only builds for these
 * platforms have come or gone since.
 */
export async function compose(
  batch: Batch,
  repository: Repository,
  tag: string,
  changed: Iterable<string> = [],
): Promise<void> {
  const current = await batch.get(TAGS, repository, tag)
  if (current && !current.composed) return
  const composed = current && (await batch.get(MANIFEST_BYTES, repository, current.digest))
  const best = composed ? byPlatform(buildsIn(composed)) : await bestBuilds(batch, repository, tag)
  for (const platform of composed ? changed : []) {
    const [build] = await batch.page(BUILDS, [repository, tag, platform], { limit: 1 })
    if (build) best.set(platform, build.row)
    else best.delete(platform)
  }
  if (best.size === 0) return unsetTag(batch, repository, tag)
  const { bytes, descriptor } = composedIndex(PLATFORMS.flatMap(platform => best.get(platform) ?? []))
  const { digest } = descriptor
  if (current?.digest === digest) return
  // Not where it is what a user pushed.
  const known = await batch.get(MANIFESTS, repository, digest)
  if (!known || (await batch.get(COMPOSED, repository, digest))) putIndex(batch, [repository, digest], bytes)
  await setTag(batch, repository, tag, { digest, composed: true })
}

/** Composes those of the tags for which there are builds. No tag may exist, and they must be in key order. */
export async function composeFree(
  batch: Batch,
  repository: Repository,
  tags: readonly string[],
): Promise<void> {
  // Most tags have no builds. So the next tag that has some is looked for, and those before it cost no read.
  let next: string | undefined = ''
  for (const tag of tags) {
    if (next === undefined) return
    if (bytewise(tag, next) < 0) continue
    await compose(batch, repository, tag)
    const [build] = await batch.page(BUILDS, [repository], { after: tag, limit: 1 })
    next = build?.key[1]
  }
}

/** Only plugins at home in the repository: one that is merely inside somebody's artifact makes no tags there. */
function rowsOf({ repository, manifest, claim }: Build) {
  return claim.descriptors.flatMap(plugin => {
    const platform = platformOf(plugin)
    if (!platform || repositoryOf(plugin.name) !== repository) return []
    const row = buildDescriptor(manifest, plugin, platform)
    const abi = descendingI32(plugin.plugin_version)
    const created = descendingNanos(BigInt(claim.created))
    return composedTagsOf(plugin).map(
      scope =>
        [[repository, scope, platformKey(platform), abi, created, manifest.digest] as const, row] as const,
    )
  })
}

/** Composes the tags of these rows, which have come or gone. */
async function composeAll(
  batch: Batch,
  repository: Repository,
  rows: ReturnType<typeof rowsOf>,
): Promise<void> {
  const changed = new Map<string, Set<string>>()
  for (const [[, tag, platform]] of rows) changed.set(tag, (changed.get(tag) ?? new Set()).add(platform))
  for (const [tag, platforms] of changed) await compose(batch, repository, tag, platforms)
}

/** By going from the first build of a platform to the first of the next one, however many there are of each. */
async function bestBuilds(batch: Batch, repository: Repository, tag: string): Promise<Builds> {
  const builds: Descriptor[] = []
  let after: string | undefined
  while (true) {
    const [best] = await batch.page(BUILDS, [repository, tag], { after, limit: 1 })
    if (!best) return byPlatform(builds)
    builds.push(best.row)
    after = best.key[2]
  }
}

function byPlatform(builds: readonly Descriptor[]): Builds {
  return new Map(builds.map(build => [platformKey(build.platform as Platform), build]))
}

async function removeComposed(batch: Batch, repository: Repository): Promise<void> {
  for await (const { key } of batch.scan(COMPOSED, [repository])) removeIndex(batch, key)
}

/** Puts in an index that the registry composed. No push, no time of one: it is a function of the builds. */
export function putIndex(
  batch: Batch,
  key: readonly [repository: string, digest: string],
  bytes: Uint8Array,
): void {
  const row = { mediaType: OCI_INDEX, size: bytes.length, pushed: '0', artifactType: PLUGIN_TYPE } as const
  batch.put(MANIFESTS, key, row)
  batch.put(MANIFEST_BYTES, key, bytes)
  batch.put(COMPOSED, key, {})
}

/** Takes out an index that the registry composed. */
export function removeIndex(batch: Batch, key: readonly [repository: string, digest: string]): void {
  batch.del(COMPOSED, key)
  batch.del(MANIFESTS, key)
  batch.del(MANIFEST_BYTES, key)
}

import { buffer } from 'node:stream/consumers'
import { LayoutError, type LayoutReader } from '../../archive/contract.ts'
import { errno } from '../../lib/errno.ts'
import { algorithmOf, type Digest, digestOf, isDigest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import type { LayoutIndex } from '../../oci/layout.ts'
import { parseLenientManifest } from '../../oci/lenient-manifest.ts'
import { childrenOf, MAX_MANIFEST_BYTES, parseManifest } from '../../oci/manifest.ts'
import { STORED_LIMITS } from '../../oci/manifest-limits.ts'
import { bareType, manifestKind } from '../../oci/media-types.ts'
import type { Repository, Tag } from '../../oci/name.ts'
import type { Pushed } from '../manifest-rows.ts'
import { UNREADABLE } from '../scrub.ts'

/** A manifest of a layout, and what the layout says of it. */
export interface LayoutManifest {
  readonly repository: Repository
  readonly digest: Digest
  readonly mediaType: string
  /** Those that users have pushed. */
  readonly tags: Tag[]
  /** Nanoseconds since 1970. */
  pushed: bigint | undefined
  /** By the registry, and nobody has pushed it. */
  composed: boolean
  readonly mirror: string | undefined
  /** Another tool has written the layout: then the manifest has to be one that may be pushed. */
  readonly foreign: boolean
}

/**
 * The manifests of a layout in the order in which they were pushed, those without a time behind the others, the
 * registry's own at the end; what an index names comes before it. Other tools list the outermost ones only, so those
 * that they name are looked for. `repository` is where manifests go of which the layout does not say.
 * Throws `LayoutError` where it is needed, or of no use.
 */
export async function layoutManifests(
  layout: LayoutReader,
  { entries }: LayoutIndex,
  repository: Repository | undefined,
): Promise<LayoutManifest[]> {
  const listed = new Map<string, LayoutManifest>()
  for (const entry of entries) {
    const { digest, mediaType, tag, pushed, composed, mirror } = entry
    const home = entry.repository ?? repository
    if (!home)
      throw new LayoutError('it does not say which repository its manifests are of; use --repository NAME')
    const key = keyOf(home, digest)
    const one = listed.get(key) ?? {
      ...manifest(home, digest, mediaType, entry.repository === undefined),
      composed: true,
      mirror,
    }
    listed.set(key, one)
    if (composed) continue
    one.composed = false
    one.pushed ??= pushed
    if (tag) one.tags.push(tag)
  }
  if (repository && entries.length > 0 && entries.every(entry => entry.repository))
    throw new LayoutError('it says which repositories its manifests are of; leave --repository out')
  const ordered = await innermostFirst(layout, listed)
  return ordered.sort((a, b) => rankOf(a) - rankOf(b) || compare(a.pushed, b.pushed))
}

/** The manifest, checked; or why it could not be had. */
export async function readManifest(
  layout: LayoutReader,
  { digest, mediaType, foreign }: LayoutManifest,
): Promise<Pushed | { readonly why: string }> {
  const found = await layout.open(digest)
  if (!found) return { why: 'missing' }
  if (found.size > MAX_MANIFEST_BYTES) {
    found.bytes.destroy()
    return { why: 'larger than a manifest may be' }
  }
  try {
    const bytes = await buffer(found.bytes)
    if (digestOf(bytes, algorithmOf(digest)) !== digest) return { why: 'damaged' }
    const manifest = foreign
      ? parseManifest(bytes, mediaType, STORED_LIMITS)
      : parseLenientManifest(bytes, mediaType)
    return { digest, bytes, manifest }
  } catch (error) {
    if (error instanceof RegistryError) return { why: error.message }
    if (UNREADABLE.has(errno(error))) return { why: 'unreadable' }
    throw error
  }
}

async function innermostFirst(
  layout: LayoutReader,
  listed: ReadonlyMap<string, LayoutManifest>,
): Promise<LayoutManifest[]> {
  const ordered: LayoutManifest[] = []
  const seen = new Set<string>()
  const visit = async (one: LayoutManifest) => {
    const key = keyOf(one.repository, one.digest)
    if (seen.has(key)) return
    seen.add(key)
    const read = manifestKind(one.mediaType) !== 'image' ? await readManifest(layout, one) : undefined
    const named = read && 'manifest' in read ? childrenOf(read.manifest) : []
    for (const { digest, mediaType } of named) {
      if (!isDigest(digest)) continue
      const child = listed.get(keyOf(one.repository, digest))
      if (child) await visit(child)
      else if (await layout.has(digest))
        await visit(manifest(one.repository, digest, bareType(mediaType), one.foreign))
    }
    ordered.push(one)
  }
  for (const one of listed.values()) await visit(one)
  return ordered
}

function manifest(
  repository: Repository,
  digest: Digest,
  mediaType: string,
  foreign: boolean,
): LayoutManifest {
  const unknown = { pushed: undefined, composed: false, mirror: undefined }
  return { repository, digest, mediaType, foreign, tags: [], ...unknown }
}

export function keyOf(repository: string, digest: string): string {
  return `${repository} ${digest}`
}

function rankOf({ composed, pushed }: LayoutManifest): number {
  return composed ? 2 : pushed === undefined ? 1 : 0
}

function compare(a: bigint | undefined, b: bigint | undefined): number {
  if (a === undefined || b === undefined || a === b) return 0
  return a < b ? -1 : 1
}

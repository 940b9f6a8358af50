import type { Batch } from '../index/batch.ts'
import type { Reader } from '../index/contract.ts'
import {
  COMPOSED,
  MANIFEST_BYTES,
  MANIFESTS,
  type ManifestRow,
  REFERRERS,
  REFERRERS_BY_TYPE,
  REPOSITORIES,
} from '../index/tables.ts'
import { rfc3339 } from '../lib/clock.ts'
import { type Digest, isDigest } from '../oci/digest.ts'
import type { Documents } from '../oci/documents.ts'
import { artifactTypeOf, type Descriptor, type Manifest } from '../oci/manifest.ts'
import type { Repository } from '../oci/name.ts'
import { claimsOf, removeClaims } from './claims.ts'
import { composeFree } from './composed-tags.ts'
import { noteTime } from './last-time.ts'
import { addReferences, removeReferences } from './references.ts'
import { unsetTagsOf } from './tag-rows.ts'

/** A manifest on its way in: what was pushed, and what it says. */
export interface Pushed {
  readonly digest: Digest
  readonly bytes: Uint8Array
  readonly manifest: Manifest
}

export async function loadManifest(
  reader: Reader,
  documents: Documents,
  repository: Repository,
  digest: Digest,
): Promise<Pushed | undefined> {
  const row = await reader.get(MANIFESTS, repository, digest)
  const bytes = row && (await reader.get(MANIFEST_BYTES, repository, digest))
  if (!bytes) return undefined
  return { digest, bytes, manifest: await documents.stored(bytes, row.mediaType) }
}

/** Rows of a pushed manifest, but for its tags and plugins. Answers when it was first pushed, in nanoseconds. */
export async function putManifest(
  batch: Batch,
  repository: Repository,
  { digest, bytes, manifest }: Pushed,
  now: bigint,
): Promise<bigint> {
  const known = await batch.get(MANIFESTS, repository, digest)
  const composed = await batch.get(COMPOSED, repository, digest)
  const pushed = known && !composed ? BigInt(known.pushed) : now
  const row = manifestRow(manifest, bytes.length, pushed)
  if (!(await batch.get(REPOSITORIES, repository)))
    batch.put(REPOSITORIES, [repository], { created: rfc3339(now) })
  batch.put(MANIFESTS, [repository, digest], row)
  batch.put(MANIFEST_BYTES, [repository, digest], bytes)
  // What a user pushes is the user's from then on.
  if (composed) batch.del(COMPOSED, [repository, digest])
  await addReferences(batch, repository, digest, manifest)
  await noteTime(batch, now)
  if (row.subject) {
    const descriptor = referrer(manifest, digest, bytes.length)
    batch.put(REFERRERS, [repository, row.subject, digest], descriptor)
    batch.put(REFERRERS_BY_TYPE, [repository, row.subject, row.artifactType ?? '', digest], descriptor)
  }
  return pushed
}

/** All that a manifest has put into the index: its tags, what it refers to, its plugins. */
export async function removeManifest(
  batch: Batch,
  repository: Repository,
  { digest, manifest }: Pushed,
  row: ManifestRow,
): Promise<void> {
  batch.del(MANIFESTS, [repository, digest])
  batch.del(MANIFEST_BYTES, [repository, digest])
  batch.del(COMPOSED, [repository, digest])
  removeReferences(batch, repository, digest, manifest)
  if (row.subject) {
    batch.del(REFERRERS, [repository, row.subject, digest])
    batch.del(REFERRERS_BY_TYPE, [repository, row.subject, row.artifactType ?? '', digest])
  }
  const tags = await unsetTagsOf(batch, repository, digest)
  const descriptor = { mediaType: row.mediaType, digest, size: row.size }
  await removeClaims(batch, await claimsOf(batch, repository, descriptor))
  await composeFree(batch, repository, tags)
  const [other] = await batch.page(MANIFESTS, [repository], { limit: 1 })
  if (!other) batch.del(REPOSITORIES, [repository])
}

/** What a manifest says of itself, and when it came, in nanoseconds. */
export function manifestRow(manifest: Manifest, size: number, pushed: bigint): ManifestRow {
  const { mediaType, subject } = manifest
  const artifactType = artifactTypeOf(manifest)
  return {
    mediaType,
    size,
    pushed: pushed.toString(),
    ...(subject && isDigest(subject.digest) && { subject: subject.digest }),
    ...(artifactType && { artifactType }),
  }
}

/** distribution-spec, Listing referrers: the entry of the list has the manifest's artifact type and annotations. */
function referrer(manifest: Manifest, digest: Digest, size: number): Descriptor {
  const artifactType = artifactTypeOf(manifest)
  return {
    mediaType: manifest.mediaType,
    digest,
    size,
    ...(artifactType && { artifactType }),
    ...(manifest.annotations && { annotations: manifest.annotations }),
  }
}

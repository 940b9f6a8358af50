import type { Batch } from '../index/batch.ts'
import type { Reader } from '../index/contract.ts'
import { BINARIES, LINKS, MANIFESTS, REFERENCES } from '../index/tables.ts'
import { parallel } from '../lib/parallel.ts'
import { type Digest, isDigest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import {
  blobsOf,
  childrenOf,
  type Descriptor,
  descriptorsOf,
  distinct,
  type Manifest,
} from '../oci/manifest.ts'
import { isNonDistributable } from '../oci/media-types.ts'
import type { Repository } from '../oci/name.ts'
import type { Parts } from './parts.ts'

/** Half of the threads for files, see node.env: one manifest with many layers must not take all of them. */
const STATS_AT_ONCE = 8

/** Notes what a manifest names, which garbage collection then keeps in this repository. */
export async function addReferences(
  batch: Batch,
  repository: Repository,
  digest: Digest,
  manifest: Manifest,
): Promise<void> {
  const named = [...namedBy(manifest)].map(one => [repository, one] as const)
  for (const [, one] of named) batch.put(REFERENCES, [repository, one, digest], true)
  const links = await batch.getMany(LINKS, named)
  for (const [i, link] of links.entries())
    if (link?.unused) batch.put(LINKS, named[i] as readonly [string, string], { size: link.size })
}

export function removeReferences(
  batch: Batch,
  repository: Repository,
  digest: Digest,
  manifest: Manifest,
): void {
  for (const named of namedBy(manifest)) batch.del(REFERENCES, [repository, named, digest])
}

/**
 * distribution-spec, Push: a manifest may be rejected whose blobs or manifests are not here; its subject may be missing.
 * Reads the rows, and looks at the blob files, so it must not be called while a lock is held.
 * Throws `MANIFEST_BLOB_UNKNOWN`.
 */
export async function checkReferences(
  { index, policy, store }: Parts,
  repository: Repository,
  manifest: Manifest,
): Promise<void> {
  if (policy.sparseManifests) return
  // A blob of the repository may have been damaged since it was pushed.
  refuse(
    await missingReferences(
      index,
      repository,
      manifest,
      async blob => (await store.stat(blob)) !== undefined,
    ),
  )
}

/**
 * Reads the rows again under the lock of the repository, because a blob or manifest may have been deleted since
 * `checkReferences`. It looks at no files. Garbage collection removes a file only if no repository has a row for the
 * blob, so the file is there if the row is. A file that turns out to be damaged in between is the same as one that is
 * damaged right after the push: the blob is missing until a client pushes it again.
 * Throws `MANIFEST_BLOB_UNKNOWN`.
 */
export async function checkReferenceRows(
  batch: Batch,
  { policy }: Parts,
  repository: Repository,
  manifest: Manifest,
): Promise<void> {
  if (!policy.sparseManifests) refuse(await missingReferences(batch, repository, manifest))
}

/**
 * What the repository lacks of what the manifest references, each of it once. `isStored` is asked of several blobs at
 * once; without it a blob is there if the repository has a row for it.
 */
export async function missingReferences(
  reader: Reader,
  repository: Repository,
  manifest: Manifest,
  isStored: (blob: Digest) => Promise<boolean> = async () => true,
): Promise<Descriptor[]> {
  const withoutManifest = async (needed: readonly Descriptor[]) => {
    const rows = await reader.getMany(MANIFESTS, needed.map(keyIn(repository)))
    return needed.filter((_, i) => !rows[i])
  }
  const withoutBlob = async (needed: readonly Descriptor[]) => {
    const links = await reader.getMany(LINKS, needed.map(keyIn(repository)))
    const here = await parallel(
      needed.map((blob, i) => [blob, links[i]] as const),
      STATS_AT_ONCE,
      async ([{ digest }, link]) => link !== undefined && isDigest(digest) && isStored(digest),
    )
    return needed.filter((_, i) => !here[i])
  }
  const blobs = await withoutBlob(distinct(blobsOf(manifest).filter(isKept)))
  if (manifest.kind === 'image') return blobs
  // An index may name a manifest by another media type than the one that it was pushed with.
  return [...(await withoutManifest(distinct(childrenOf(manifest)))), ...(await withoutManifest(blobs))]
}

/** Whether the blob has to be in the registry. */
function isKept({ mediaType }: Descriptor): boolean {
  return !isNonDistributable(mediaType)
}

function keyIn(repository: Repository): (descriptor: Descriptor) => readonly [string, string] {
  return ({ digest }) => [repository, digest]
}

function refuse(missing: readonly Descriptor[]): void {
  if (missing.length === 0) return
  throw new RegistryError('MANIFEST_BLOB_UNKNOWN', {
    message: `push what the manifest references before it: ${missing.length} missing`,
    detail: missing.slice(0, 100).map(({ digest, mediaType }) => ({ digest, mediaType })),
  })
}

/** Whether a manifest of the repository names the blob or manifest, or brings it as a plugin out of an archive. */
export async function isReferenced(reader: Reader, repository: string, digest: string): Promise<boolean> {
  for (const table of [REFERENCES, BINARIES]) {
    const [one] = await reader.page(table, [repository, digest], { limit: 1 })
    if (one) return true
  }
  return false
}

/** Of an algorithm that is not stored here nothing can be kept. */
function namedBy(manifest: Manifest): Set<Digest> {
  return new Set(descriptorsOf(manifest).flatMap(({ digest }) => (isDigest(digest) ? [digest] : [])))
}

import type { Batch } from '../index/batch.ts'
import type { Reader } from '../index/contract.ts'
import { BINARIES, LINKS, MANIFESTS, REFERENCES } from '../index/tables.ts'
import { type Digest, isDigest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import { type Descriptor, descriptorsOf, distinct, type Manifest } from '../oci/manifest.ts'
import { isNonDistributable } from '../oci/media-types.ts'
import type { Repository } from '../oci/name.ts'
import type { Parts } from './parts.ts'

/** Notes what a manifest names, which garbage collection then keeps in this repository. */
export async function addReferences(
  batch: Batch,
  repository: Repository,
  digest: Digest,
  manifest: Manifest,
): Promise<void> {
  for (const named of namedBy(manifest)) {
    batch.put(REFERENCES, [repository, named, digest], true)
    const link = await batch.get(LINKS, repository, named)
    if (link?.unused) batch.put(LINKS, [repository, named], { size: link.size })
  }
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
 * Throws `MANIFEST_BLOB_UNKNOWN`.
 */
export async function checkReferences(
  reader: Reader,
  { policy, store }: Parts,
  repository: Repository,
  manifest: Manifest,
): Promise<void> {
  if (policy.sparseManifests) return
  // What is held may have been damaged since.
  const missing = await missingReferences(
    reader,
    repository,
    manifest,
    async blob => (await store.stat(blob)) !== undefined,
  )
  if (missing.length === 0) return
  throw new RegistryError('MANIFEST_BLOB_UNKNOWN', {
    message: `push what the manifest references before it: ${missing.length} missing`,
    detail: missing.slice(0, 100).map(({ digest, mediaType }) => ({ digest, mediaType })),
  })
}

/** What the repository lacks of what the manifest references, each of it once. */
export async function missingReferences(
  reader: Reader,
  repository: Repository,
  manifest: Manifest,
  isStored: (blob: Digest) => Promise<boolean>,
): Promise<Descriptor[]> {
  const missing: Descriptor[] = []
  if (manifest.kind === 'image') {
    const needed = [manifest.config, ...manifest.layers].filter(blob => !isNonDistributable(blob.mediaType))
    for (const blob of distinct(needed)) {
      const link = isDigest(blob.digest) && (await reader.get(LINKS, repository, blob.digest))
      if (!link || !(await isStored(blob.digest as Digest))) missing.push(blob)
    }
  } else {
    for (const child of distinct([...manifest.manifests])) {
      if (!(await reader.get(MANIFESTS, repository, child.digest))) missing.push(child)
    }
  }
  return missing
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

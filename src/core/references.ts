import type { Batch } from '../index/batch.ts'
import type { Reader } from '../index/contract.ts'
import { BINARIES, LINKS, REFERENCES } from '../index/tables.ts'
import { type Digest, isDigest } from '../oci/digest.ts'
import { descriptorsOf, type Manifest } from '../oci/manifest.ts'
import type { Repository } from '../oci/name.ts'

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

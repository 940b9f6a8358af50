import { REFERENCES } from '../../index/tables.ts'
import type { Digest } from '../../oci/digest.ts'
import { descriptorsOf, UNKNOWN_SIZE } from '../../oci/manifest.ts'
import type { Repository } from '../../oci/name.ts'
import { loadManifest } from '../manifest-rows.ts'
import type { Parts } from '../parts.ts'

/** So many manifests are asked for the size of a blob that they name. */
const MAX_MANIFESTS = 4

/** The size of a blob in bytes as manifests of the repository name it, the largest one; undefined if none does. */
export async function namedSize(
  { documents, index }: Pick<Parts, 'documents' | 'index'>,
  repository: Repository,
  digest: Digest,
): Promise<number | undefined> {
  const sizes: number[] = []
  const references = await index.page(REFERENCES, [repository, digest], { limit: MAX_MANIFESTS })
  for (const { key } of references) {
    const pushed = await loadManifest(index, documents, repository, key[2] as Digest)
    if (!pushed) continue
    for (const descriptor of descriptorsOf(pushed.manifest))
      if (descriptor.digest === digest && descriptor.size !== UNKNOWN_SIZE) sizes.push(descriptor.size)
  }
  return sizes.length > 0 ? Math.max(...sizes) : undefined
}

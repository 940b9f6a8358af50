import type { Batch } from '../index/batch.ts'
import { TAGGED, TAGS, type TagRow } from '../index/tables.ts'
import type { Digest } from '../oci/digest.ts'
import type { Repository } from '../oci/name.ts'

/** Points the tag at a manifest; both directions of the relation move together. */
export async function setTag(batch: Batch, repository: Repository, tag: string, row: TagRow): Promise<void> {
  await unsetTag(batch, repository, tag)
  batch.put(TAGS, [repository, tag], row)
  batch.put(TAGGED, [repository, row.digest, tag], true)
}

export async function unsetTag(batch: Batch, repository: Repository, tag: string): Promise<void> {
  const row = await batch.get(TAGS, repository, tag)
  if (!row) return
  batch.del(TAGS, [repository, tag])
  batch.del(TAGGED, [repository, row.digest, tag])
}

/** Removes all tags of a manifest, and returns them in key order. */
export async function unsetTagsOf(batch: Batch, repository: Repository, digest: Digest): Promise<string[]> {
  const tags = (await batch.page(TAGGED, [repository, digest])).map(({ key }) => key[2])
  for (const tag of tags) {
    batch.del(TAGS, [repository, tag])
    batch.del(TAGGED, [repository, digest, tag])
  }
  return tags
}

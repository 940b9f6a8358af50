import { Batch } from '../index/batch.ts'
import { type Index, put, type Reader } from '../index/contract.ts'
import {
  COMPLETE,
  COMPOSED,
  LINKS,
  MANIFEST_BYTES,
  MANIFESTS,
  type ManifestRow,
  REPOSITORIES,
  TAGS,
} from '../index/tables.ts'
import type { Digest } from '../oci/digest.ts'
import { parseManifest } from '../oci/manifest.ts'
import type { Repository } from '../oci/name.ts'
import { keepBlob } from './blobs.ts'
import { Manifests } from './manifests.ts'
import type { Parts } from './parts.ts'
import { setTag } from './tag-rows.ts'

export interface Reindexed {
  readonly repositories: number
  readonly blobs: number
  readonly manifests: number
  readonly tags: number
}

/** Rows that go into the new index in one write. */
const STEP = 1000

/**
 * Fills an empty index from the truth in another one: repositories, links, manifests and the tags that users pushed.
 * All else is made by the rules that make it at a push, in the order of the pushes; so the outcome is the same.
 */
export async function reindex(source: Reader, target: Index, parts: Parts): Promise<Reindexed> {
  const repositories = await eachIn(target, source.scan(REPOSITORIES, []), async (batch, { key, row }) => {
    batch.put(REPOSITORIES, key, row)
  })
  const blobs = await eachIn(
    target,
    source.scan(LINKS, []),
    async (batch, { key: [repository, digest], row }) => {
      keepBlob(batch, repository as Repository, digest as Digest, row.size)
    },
  )
  // Before the manifests: the registry composes no tag that a user has pushed.
  let tags = 0
  await eachIn(target, source.scan(TAGS, []), async (batch, { key: [repository, tag], row }) => {
    if (row.composed) return
    tags++
    await setTag(batch, repository as Repository, tag, row)
  })
  const manifests = new Manifests({ ...parts, index: target })
  const pushed = await pushedManifests(source)
  for (const { repository, digest, row } of pushed) {
    const bytes = await source.get(MANIFEST_BYTES, repository, digest)
    if (!bytes) continue
    const manifest = parseManifest(bytes, row.mediaType)
    await manifests.restore(repository, { digest, bytes, manifest }, BigInt(row.pushed))
  }
  await target.apply([put(COMPLETE, ['store'], true)])
  return { repositories, blobs, manifests: pushed.length, tags }
}

/** What users pushed, first things first. */
async function pushedManifests(source: Reader) {
  const found: { repository: Repository; digest: Digest; row: ManifestRow }[] = []
  for await (const { key, row } of source.scan(MANIFESTS, [])) {
    const [repository, digest] = key
    if (await source.get(COMPOSED, repository, digest)) continue
    found.push({ repository: repository as Repository, digest: digest as Digest, row })
  }
  return found.sort((a, b) => (BigInt(a.row.pushed) < BigInt(b.row.pushed) ? -1 : 1))
}

/** Puts what `add` makes of every entry into the index, in steps; answers how many there were. */
async function eachIn<T>(
  target: Index,
  entries: AsyncIterable<T>,
  add: (batch: Batch, entry: T) => Promise<void>,
): Promise<number> {
  let count = 0
  let batch = new Batch(target)
  for await (const entry of entries) {
    await add(batch, entry)
    if (++count % STEP > 0) continue
    await batch.apply()
    batch = new Batch(target)
  }
  await batch.apply()
  return count
}

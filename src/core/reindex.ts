import { Batch } from '../index/batch.ts'
import { type Index, put, type Reader } from '../index/contract.ts'
import {
  COMPLETE,
  COMPOSED,
  HOLDERS,
  LINKS,
  MANIFEST_BYTES,
  MANIFESTS,
  MIRRORED,
  REPOSITORIES,
  TAGS,
} from '../index/tables.ts'
import type { Repository } from '../oci/name.ts'
import { keepAbsentPlugins } from './absent-plugins.ts'
import { OLD_INDEXES } from './garbage/garbage-rules.ts'
import { Manifests } from './manifests.ts'
import type { Parts } from './parts.ts'
import { readManifest, storedManifests } from './stored-manifests.ts'
import { setTag } from './tag-rows.ts'

export interface Reindexed {
  readonly repositories: number
  readonly blobs: number
  readonly manifests: number
  readonly tags: number
}

/** Something that stands in the truth and cannot be kept. */
export interface LeftOut {
  readonly what: 'manifest' | 'tag'
  readonly repository: string
  /** A digest, or a tag. */
  readonly reference: string
  readonly why: string
}

export interface ReindexOptions {
  /** The index as it was. */
  readonly before?: Reader
  readonly onLeftOut?: (leftOut: LeftOut) => void
  /** Whether nothing of the truth is lost as far as is known. Else what the new index does not need may not be garbage. */
  readonly complete?: boolean
}

/** Rows that go into the new index in one write. */
const STEP = 1000

/**
 * Fills an empty index from the truth: repositories, links, manifests and the tags that users pushed.
 * All else is made by the rules that make it at a push, in the order of the pushes; so the outcome is the same.
 */
export async function reindex(
  truth: Reader,
  target: Index,
  parts: Parts,
  { before = truth, onLeftOut = () => {}, complete = true }: ReindexOptions = {},
): Promise<Reindexed> {
  const repositories = await eachIn(target, truth.scan(REPOSITORIES, []), async (batch, { key, row }) => {
    batch.put(REPOSITORIES, key, row)
  })
  // Before the manifests: what is mirrored is listed by its own rules.
  await eachIn(target, truth.scan(MIRRORED, []), async (batch, { key, row }) => {
    batch.put(MIRRORED, key, row)
  })
  const blobs = await eachIn(target, truth.scan(LINKS, []), async (batch, { key, row }) => {
    batch.put(LINKS, key, row)
    batch.put(HOLDERS, [key[1], key[0]], true)
  })
  let whole = complete
  const leaveOut = (leftOut: LeftOut) => {
    whole = false
    onLeftOut(leftOut)
  }
  const stored = await storedManifests(truth, parts.clock.now(), (repository, reference, why) =>
    leaveOut({ what: 'manifest', repository, reference, why }),
  )
  const sound = new Set(stored.map(({ repository, digest }) => `${repository} ${digest}`))
  // Before the manifests: the registry composes no tag that a user has pushed.
  let tags = 0
  await eachIn(target, truth.scan(TAGS, []), async (batch, { key: [repository, tag], row }) => {
    if (row.composed) return
    if (sound.has(`${repository} ${row.digest}`)) {
      tags++
      await setTag(batch, repository as Repository, tag, row)
    } else {
      const why = `it points at ${row.digest}, which is not there`
      leaveOut({ what: 'tag', repository, reference: tag, why })
    }
  })
  const manifests = new Manifests({ ...parts, index: target })
  let pushed = 0
  for (const { repository, digest, row, composed } of stored) {
    const manifest = await readManifest(truth, repository, digest, row.mediaType)
    if (typeof manifest === 'string') continue
    if (composed) {
      // Those that no tag has any more are what garbage collection waits for.
      const note = (await truth.get(COMPOSED, repository, digest)) ?? {}
      const key = [repository, digest] as const
      const rows = [put(COMPOSED, [...key], note), put(MANIFESTS, [...key], row)]
      await target.apply([...rows, put(MANIFEST_BYTES, [...key], manifest.bytes)])
      continue
    }
    const time = BigInt(row.pushed)
    await manifests.keep(repository, manifest, time)
    await keepAbsentPlugins(before, { ...parts, index: target }, repository, manifest, time)
    pushed++
  }
  // What came and went while builds were added one after the other.
  await eachIn(target, target.scan(COMPOSED, []), async (batch, { key, row }) => {
    const note = await truth.get(COMPOSED, ...key)
    // Composing it again took garbage collection's note off, and its grace period would begin again.
    if (note && note.unused !== row.unused) batch.put(COMPOSED, key, note)
    if (note) return
    if (!(await OLD_INDEXES.isNeeded(batch, ...key))) OLD_INDEXES.remove(batch, key)
  })
  if (whole) await target.apply([put(COMPLETE, ['store'], true)])
  return { repositories, blobs, manifests: pushed, tags }
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

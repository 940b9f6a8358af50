import { Batch } from '../index/batch.ts'
import type { Index } from '../index/contract.ts'
import type { Digest } from '../oci/digest.ts'
import type { Repository } from '../oci/name.ts'

/**
 * One atomic change of repositories, alone among their changes: what `work` puts into the batch is applied behind it.
 * What `work` asks of these repositories it asks the batch: the change before it may still be on its way to the disk,
 * so that many changes of one repository share a sync.
 */
export async function changeRepositories(
  index: Index,
  repositories: readonly Repository[],
  work: (batch: Batch) => Promise<void>,
): Promise<void> {
  const keys = repositories.map(repository => `repository ${repository}`)
  // In an object, so that the lock is not held until it is durable.
  const { applied } = await index.exclusive(keys, async () => {
    const batch = new Batch(index)
    await work(batch)
    return { applied: batch.apply() }
  })
  await applied
}

/**
 * Alone among the changes of plugins, which reach over repositories: several can bring the same binary.
 * Taken before any repository's lock, never behind one.
 */
export function amongPlugins<T>(index: Index, work: () => Promise<T>): Promise<T> {
  return index.exclusive(['plugins'], work)
}

/**
 * From a blob's bytes to the row that holds them: garbage collection leaves these bytes alone meanwhile.
 * It never waits for this lock, see `withoutKeepers`, so it may be taken before or behind the others.
 */
export function keepingBytes<T>(
  index: Index,
  digests: readonly Digest[],
  work: () => Promise<T>,
): Promise<T> {
  return index.shared(digests.map(bytesOf), work)
}

/** For the removal of a blob's bytes; undefined where somebody is about to hold them. */
export function withoutKeepers<T>(
  index: Index,
  digest: Digest,
  work: () => Promise<T>,
): Promise<T | undefined> {
  return index.attempt([bytesOf(digest)], work)
}

function bytesOf(digest: Digest): string {
  return `bytes ${digest}`
}

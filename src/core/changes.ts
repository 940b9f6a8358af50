import { Batch } from '../index/batch.ts'
import type { Index } from '../index/contract.ts'
import type { Digest } from '../oci/digest.ts'
import type { Repository } from '../oci/name.ts'

/** One atomic change of repositories, alone among their changes: what `work` puts into the batch is applied behind it. */
export function changeRepositories(
  index: Index,
  repositories: readonly Repository[],
  work: (batch: Batch) => Promise<void>,
): Promise<void> {
  return index.exclusive(
    repositories.map(repository => `repository ${repository}`),
    async () => {
      const batch = new Batch(index)
      await work(batch)
      await batch.apply()
    },
  )
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

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
  const { applied } = await aloneIn(index, repositories, () => made(new Batch(index), work))
  await applied
}

/**
 * The same, and alone among the changes of plugins, which reach over repositories: several can bring the same binary.
 * That lock is taken before any repository's, never behind one. What `repositories` and `work` ask of plugins they ask
 * the batch as well.
 */
export async function changePlugins(
  index: Index,
  repositories: (batch: Batch) => Promise<readonly Repository[]>,
  work: (batch: Batch) => Promise<void>,
): Promise<void> {
  const { applied } = await index.exclusive(['plugins'], async () => {
    const batch = new Batch(index)
    return aloneIn(index, await repositories(batch), () => made(batch, work))
  })
  await applied
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

function aloneIn<T>(index: Index, repositories: readonly Repository[], work: () => Promise<T>): Promise<T> {
  return index.exclusive(
    repositories.map(repository => `repository ${repository}`),
    work,
  )
}

/** In an object, so that no lock is held until the change is durable. */
async function made(
  batch: Batch,
  work: (batch: Batch) => Promise<void>,
): Promise<{ applied: Promise<void> }> {
  await work(batch)
  return { applied: batch.apply() }
}

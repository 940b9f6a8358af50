/** Tiny chunks cost more than their bytes, and the kernel takes no longer list in one writev (IOV_MAX). */
const MOST_CHUNKS = 1024

/**
 * The chunks of the source gathered to lists of about `size` bytes, so that many small ones cost one write.
 * A list goes out as well when the source is silent for `patience` milliseconds.
 * Where the source breaks off, what it gave comes first, then its error.
 */
export async function* batches(
  source: AsyncIterable<Uint8Array>,
  size: number,
  patience = Number.POSITIVE_INFINITY,
): AsyncGenerator<Uint8Array[]> {
  let batch: Uint8Array[] = []
  let bytes = 0
  const chunks = patience === Number.POSITIVE_INFINITY ? source : withPauses(source, patience)
  try {
    for await (const chunk of chunks) {
      if (chunk) batch.push(chunk)
      bytes += chunk?.length ?? 0
      if (bytes === 0 || (chunk && bytes < size && batch.length < MOST_CHUNKS)) continue
      yield batch
      batch = []
      bytes = 0
    }
  } catch (error) {
    if (bytes > 0) yield batch
    throw error
  }
  if (bytes > 0) yield batch
}

/** The chunks of the source, and undefined each time it is silent for so long, in milliseconds. */
async function* withPauses<T>(source: AsyncIterable<T>, patience: number): AsyncGenerator<T | undefined> {
  const iterator = source[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = iterator.next()
      // Its error is thrown where it is awaited, which may be later.
      next.catch(() => {})
      let first = await orPause(next, patience)
      if (!first) {
        yield undefined
        first = await next
      }
      if (first.done) return
      yield first.value
    }
  } finally {
    await iterator.return?.()
  }
}

/** The outcome, or undefined where it takes longer, in milliseconds. */
async function orPause<T>(work: Promise<T>, patience: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const pause = new Promise<undefined>(resolve => {
    timer = setTimeout(() => resolve(undefined), patience)
  })
  return Promise.race([work, pause]).finally(() => clearTimeout(timer))
}

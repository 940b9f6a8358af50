/** Tiny chunks cost more than their bytes, and the kernel takes no longer list in one writev (IOV_MAX). */
const MOST_CHUNKS = 1024

export interface BatchOptions {
  /** Where the first chunk stands, in bytes. */
  readonly from?: number
  /** For how long the source may be silent before what it gave goes out, in milliseconds. */
  readonly patience?: number
}

/**
 * The chunks of the source gathered to lists, so that many small ones cost one write. A list ends at each multiple of
 * `size` bytes; earlier where there are very many chunks, where the source is silent, and at its end.
 * Where the source breaks off, what it gave comes first, then its error.
 */
export async function* batches(
  source: AsyncIterable<Uint8Array>,
  size: number,
  { from = 0, patience = Number.POSITIVE_INFINITY }: BatchOptions = {},
): AsyncGenerator<Uint8Array[]> {
  let batch: Uint8Array[] = []
  let room = size - (from % size)
  const chunks = patience === Number.POSITIVE_INFINITY ? source : withPauses(source, patience)
  try {
    for await (const chunk of chunks) {
      for (let rest = chunk; rest && rest.length > 0; ) {
        const piece = rest.length > room ? rest.subarray(0, room) : rest
        rest = rest.subarray(piece.length)
        room -= piece.length
        batch.push(piece)
        if (room > 0 && batch.length < MOST_CHUNKS) continue
        yield batch
        batch = []
        room ||= size
      }
      if (chunk || batch.length === 0) continue
      yield batch
      batch = []
    }
  } catch (error) {
    if (batch.length > 0) yield batch
    throw error
  }
  if (batch.length > 0) yield batch
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

/** Tiny chunks cost more than their bytes, and the kernel takes no longer list in one writev (IOV_MAX). */
const MOST_CHUNKS = 1024

/**
 * The chunks of the source gathered to lists of about `size` bytes, so that many small ones cost one write.
 * Where the source breaks off, what it gave comes first, then its error.
 */
export async function* batches(
  source: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array[]> {
  let batch: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const chunk of source) {
      batch.push(chunk)
      bytes += chunk.length
      if (bytes < size && batch.length < MOST_CHUNKS) continue
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

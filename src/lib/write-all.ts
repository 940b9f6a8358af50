import type { OpenFile } from './open-file.ts'

/** Writes the chunks at that position of the file, and answers where they end. */
export async function writeAll(
  file: Pick<OpenFile, 'writev'>,
  chunks: readonly Uint8Array[],
  position: number,
): Promise<number> {
  let rest = chunks
  let end = position
  while (rest.length > 0) {
    // The kernel may take a part only; what is left goes again.
    const { bytesWritten } = await file.writev(rest, end)
    end += bytesWritten
    rest = behind(rest, bytesWritten)
  }
  return end
}

/** What follows the first `count` bytes. */
function behind(chunks: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skip = count
  const first = chunks.findIndex(chunk => {
    if (skip < chunk.length) return true
    skip -= chunk.length
    return false
  })
  const [head, ...tail] = first < 0 ? [] : chunks.slice(first)
  return head ? [head.subarray(skip), ...tail] : []
}

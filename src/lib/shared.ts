import { giveBack } from './chunk-pool.ts'

/** All bytes of the source, which are `size` or fewer, in memory that a thread can be given without a copy. Takes the chunks over. */
export async function readShared(source: AsyncIterable<Uint8Array>, size: number): Promise<Buffer> {
  const bytes = Buffer.from(new SharedArrayBuffer(size))
  let end = 0
  for await (const chunk of source) {
    bytes.set(chunk, end)
    end += chunk.length
    giveBack(chunk)
  }
  return bytes.subarray(0, end)
}

/** The bytes in memory that a thread can be given without a copy: themselves where they are, else a copy. */
export function shared(bytes: Uint8Array): Uint8Array {
  if (bytes.buffer instanceof SharedArrayBuffer) return bytes
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length))
  copy.set(bytes)
  return copy
}

/** One read of a file, in bytes. Measured: 64 KiB, the default of node:fs, costs two thirds of the throughput. */
export const CHUNK = 1024 * 1024

/** Sizes of chunks in bytes, smallest first, and how many unused ones of each are kept. */
const SPARE: readonly (readonly [size: number, most: number])[] = [
  [16 * 1024, 64],
  [64 * 1024, 64],
  [CHUNK, 16],
]

/** Memory that is out. What was never taken, or is given back twice, has another owner, and is not handed out again. */
const taken = new WeakSet<ArrayBufferLike>()

const spare = new Map<number, Buffer[]>(SPARE.map(([size]) => [size, []]))

/**
 * A buffer of at least `size` bytes, of the next size that the pool has; its contents are arbitrary. Reusing memory
 * takes half of the time of allocating it.
 */
export function takeChunk(size = CHUNK): Buffer {
  const whole = chunkSize(size)
  const chunk = spare.get(whole)?.pop() ?? Buffer.allocUnsafeSlow(whole)
  taken.add(chunk.buffer)
  return chunk
}

/** The size in bytes of the chunk that `takeChunk` returns for that many bytes; at most `CHUNK`. */
export function chunkSize(bytes: number): number {
  for (const [size] of SPARE) if (bytes <= size) return size
  return CHUNK
}

/** Gives back what `takeChunk` gave, or a part of it; anything else is ignored. Never giving it back costs memory, nothing more. */
export function giveBack({ buffer }: Uint8Array): void {
  if (!taken.delete(buffer)) return
  const [, most = 0] = SPARE.find(([size]) => size === buffer.byteLength) ?? []
  const kept = spare.get(buffer.byteLength)
  if (kept && kept.length < most) kept.push(Buffer.from(buffer))
}

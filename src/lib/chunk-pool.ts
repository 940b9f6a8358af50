/** One read of a file, in bytes. Measured: 64 KiB, the default of node:fs, costs two thirds of the throughput. */
export const CHUNK = 1024 * 1024

/** When spare memory is given up that was in use at once and is not any more, in milliseconds. */
const TRIM_AFTER_MS = 10_000

interface SizeClass {
  /** In bytes. */
  readonly size: number
  /** How many unused chunks are kept for good. */
  readonly kept: number
  /** How many are kept for a moment. Many transfers that end at once would leave all their memory to the garbage collector. */
  readonly keptAWhile: number
  readonly spare: Buffer[]
}

/** Smallest first. */
const CLASSES: readonly SizeClass[] = [
  { size: 16 * 1024, kept: 64, keptAWhile: 1024, spare: [] },
  { size: 64 * 1024, kept: 64, keptAWhile: 1024, spare: [] },
  { size: CHUNK, kept: 16, keptAWhile: 96, spare: [] },
]

/** Memory that is out. What was never taken, or is given back twice, has another owner, and is not handed out again. */
const taken = new WeakSet<ArrayBufferLike>()

/** Classes that a timer is to trim. */
const trimmed = new Set<SizeClass>()

/**
 * A buffer of at least `size` bytes, of the next size that the pool has; its contents are arbitrary. Reusing memory
 * takes half of the time of allocating it.
 */
export function takeChunk(size = CHUNK): Buffer {
  const { size: whole, spare } = classOf(size)
  const chunk = spare.pop() ?? Buffer.allocUnsafeSlow(whole)
  taken.add(chunk.buffer)
  return chunk
}

/** The size in bytes of the chunk that `takeChunk` returns for that many bytes; at most `CHUNK`. */
export function chunkSize(bytes: number): number {
  return classOf(bytes).size
}

/** Gives back what `takeChunk` gave, or a part of it; anything else is ignored. Never giving it back costs memory, nothing more. */
export function giveBack({ buffer }: Uint8Array): void {
  if (!taken.delete(buffer)) return
  const own = classOf(buffer.byteLength)
  const { kept, keptAWhile, spare } = own
  if (spare.length >= keptAWhile) return
  spare.push(Buffer.from(buffer))
  if (spare.length <= kept || trimmed.has(own)) return
  trimmed.add(own)
  setTimeout(() => {
    trimmed.delete(own)
    own.spare.length = Math.min(own.spare.length, kept)
  }, TRIM_AFTER_MS).unref()
}

function classOf(bytes: number): SizeClass {
  for (const one of CLASSES) if (bytes <= one.size) return one
  return CLASSES[CLASSES.length - 1] as SizeClass
}

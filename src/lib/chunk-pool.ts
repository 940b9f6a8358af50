/** One read of a file. Measured: 64 KiB, the default of node:fs, costs two thirds of the throughput. */
export const CHUNK = 1024 * 1024

/** How many are kept that nobody uses. */
const SPARE = 16

const spare: Buffer[] = []

/** A buffer of `CHUNK` bytes; what stands in it is somebody else's. Memory that is used again costs half of the time of new one. */
export function takeChunk(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(CHUNK)
}

/** Gives back what `takeChunk` gave, or a part of it. Whoever holds on to it instead costs memory, nothing more. */
export function giveBack({ buffer, byteOffset }: Uint8Array): void {
  if (buffer.byteLength === CHUNK && byteOffset === 0 && spare.length < SPARE) spare.push(Buffer.from(buffer))
}

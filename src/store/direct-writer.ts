import { constants } from 'node:fs'
import { giveAligned, PIECE, takeAligned } from '../lib/aligned-memory.ts'
import type { Fs } from '../lib/file-system.ts'
import type { OpenFile } from '../lib/open-file.ts'

/** Bytes that go in one direct write, at a multiple of as many. */
export const BLOCK = PIECE

/**
 * Writes whole blocks of a file past the page cache (`O_DIRECT`, open(2)). What is pushed does not displace there what
 * is pulled, and is not copied into memory that the kernel has to find first: where that is new to a virtual machine,
 * it costs more than all else of a push. It is no sync: the file's metadata and the disk's own cache still need one.
 *
 * Nothing depends on it. Whatever it does not take is written in the ordinary way, which tells as well what is wrong.
 */
export class DirectWriter {
  readonly #fs: Fs
  readonly #path: string
  #file: Promise<OpenFile | undefined> | undefined
  #failed = false

  constructor(fs: Fs, path: string) {
    this.#fs = fs
    this.#path = path
  }

  /** False where not all of the chunks are written. */
  async write(chunks: readonly Uint8Array[], position: number): Promise<boolean> {
    if (this.#failed || position % BLOCK !== 0 || lengthOf(chunks) !== BLOCK) return false
    const memory = takeAligned()
    if (!memory) return false
    try {
      this.#file ??= this.#open()
      const file = await this.#file
      if (!file) return false
      gather(chunks, memory)
      const { bytesWritten } = await file.writev([memory], position)
      return bytesWritten === BLOCK
    } catch {
      this.#failed = true
      return false
    } finally {
      giveAligned(memory)
    }
  }

  async close(): Promise<void> {
    await (await this.#file)?.close()
  }

  /** Undefined where the system or this file system knows no such writes. */
  async #open(): Promise<OpenFile | undefined> {
    const { O_DIRECT, O_WRONLY } = constants
    if (O_DIRECT === undefined) return undefined
    return this.#fs.open(this.#path, O_WRONLY | O_DIRECT).catch(() => undefined)
  }
}

function lengthOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0)
}

function gather(chunks: readonly Uint8Array[], into: Buffer): void {
  let at = 0
  for (const chunk of chunks) {
    into.set(chunk, at)
    at += chunk.length
  }
}

import type { Stats } from 'node:fs'
import type { Readable } from 'node:stream'
import { fileStream } from '../lib/file-stream.ts'
import type { OpenFile } from '../lib/open-file.ts'
import type { Digest } from '../oci/digest.ts'
import type { BlobHandle, ByteRange } from './contract.ts'
import { damaged, type Inspector } from './inspector.ts'

/** Up to this size a file is read twice sooner than an answer is broken off: a millisecond or two. */
const SMALL = 4 * 1024 * 1024

/**
 * An open blob file. One that was not verified yet is, before its last byte is out: a small one when it is opened,
 * a large one while it is read; before a part of a large one is read, the whole is.
 */
export class FsBlob implements BlobHandle {
  readonly size: number
  readonly #digest: Digest
  readonly #file: OpenFile
  readonly #stats: Stats
  readonly #inspector: Inspector
  /** Found right by this handle: how long that is remembered elsewhere does not matter to it. */
  #isSound = false

  private constructor(digest: Digest, file: OpenFile, stats: Stats, inspector: Inspector) {
    this.#digest = digest
    this.#file = file
    this.#stats = stats
    this.#inspector = inspector
    this.size = stats.size
  }

  /** The blob in that file, which it closes from now on; undefined where the file turns out to be damaged. */
  static async of(digest: Digest, file: OpenFile, inspector: Inspector): Promise<FsBlob | undefined> {
    try {
      const blob = new FsBlob(digest, file, await file.stat(), inspector)
      if (blob.size > SMALL || (await blob.#verify())) return blob
    } catch (error) {
      await file.close()
      throw error
    }
    await file.close()
    return undefined
  }

  read(
    { start, end }: ByteRange = { start: 0, end: this.size - 1 },
    chunkSize?: (left: number) => number,
    keepOpen = false,
  ): Readable {
    const options = { chunkSize, keepOpen }
    const known = this.#isSound || this.#inspector.knows(this.#digest, this.#stats)
    if (known) return fileStream(async () => this.#file, start, end + 1, options)
    if (start > 0 || end + 1 !== this.size) return fileStream(() => this.#whole(), start, end + 1, options)
    const inspect = this.#inspector.along(this.#digest, this.#stats)
    return fileStream(async () => this.#file, start, end + 1, { ...options, inspect })
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  #verify(): Promise<boolean> | boolean {
    const [digest, stats] = [this.#digest, this.#stats]
    return this.#inspector.knows(digest, stats) || this.#inspector.verify(digest, this.#file, stats)
  }

  async #whole(): Promise<OpenFile> {
    try {
      this.#isSound = await this.#verify()
      if (this.#isSound) return this.#file
    } catch (error) {
      await this.#file.close()
      throw error
    }
    await this.#file.close()
    throw damaged(this.#digest)
  }
}

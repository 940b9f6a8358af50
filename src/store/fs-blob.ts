import type { FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { fileStream } from '../lib/file-stream.ts'
import type { BlobHandle, ByteRange } from './contract.ts'

/** An open blob file. */
export class FsBlob implements BlobHandle {
  readonly size: number
  readonly #file: FileHandle

  private constructor(file: FileHandle, size: number) {
    this.#file = file
    this.size = size
  }

  /** The blob in that file, which it closes from now on. */
  static async of(file: FileHandle): Promise<FsBlob> {
    try {
      return new FsBlob(file, (await file.stat()).size)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  read(range: ByteRange = { start: 0, end: this.size - 1 }): Readable {
    return fileStream(async () => this.#file, range.start, range.end + 1)
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

import { Readable } from 'node:stream'
import type { WholeFile } from '../lib/whole-file.ts'
import type { Digest } from '../oci/digest.ts'
import type { BlobHandle, ByteRange } from './contract.ts'
import type { Inspector } from './inspector.ts'

/** Up to this size in bytes a blob is read whole: little memory, however many are read at once. */
export const MOST_WHOLE = 64 * 1024

/** A small blob, read when it was opened: a stream, and more looks at the disk, cost more than its bytes. */
export class WholeBlob implements BlobHandle {
  readonly bytes: Buffer

  private constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  get size(): number {
    return this.bytes.length
  }

  /** The blob in that file; undefined where it turns out to be damaged. */
  static async of(
    digest: Digest,
    { bytes, stats }: WholeFile,
    inspector: Inspector,
  ): Promise<WholeBlob | undefined> {
    const sound = inspector.knows(digest, stats) || (await inspector.verify(digest, bytes, stats))
    return sound ? new WholeBlob(bytes) : undefined
  }

  read({ start, end }: ByteRange = { start: 0, end: this.size - 1 }): Readable {
    return Readable.from(this.size > 0 ? [this.bytes.subarray(start, end + 1)] : [])
  }

  /** The file is closed already. */
  async close(): Promise<void> {}
}

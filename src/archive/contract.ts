import type { Readable } from 'node:stream'
import type { Digest } from '../oci/digest.ts'

/** An OCI image layout that is being written. What was put is its content when `finish` resolves, and not before. */
export interface LayoutWriter {
  /** There, and only there: what was put stays, so that only bytes may come that are known to be right. */
  readonly forGood?: true
  /** Whether a blob of that size is in it already; then it stays. */
  has(digest: Digest, size: number): Promise<boolean>
  /** Adds the blob. Where the bytes break off, or are more or fewer, nothing of them stays, and it throws. */
  put(digest: Digest, size: number, bytes: AsyncIterable<Uint8Array>): Promise<void>
  /** Makes index.json the last thing that is written; the whole is durable when it resolves. */
  finish(index: string): Promise<void>
  /** Gives up what was not finished; a layout that was there before stays as it was. */
  abort(): Promise<void>
}

/** An OCI image layout that somebody else may have written: nothing of it is checked but its shape. */
export interface LayoutReader {
  /** The bytes of index.json. */
  index(): Promise<Uint8Array>
  has(digest: Digest): Promise<boolean>
  /** The bytes that are said to have that digest, or undefined. */
  open(digest: Digest): Promise<{ readonly size: number; readonly bytes: Readable } | undefined>
}

/** The folder or file is no layout, or another one than expected; says what to do. */
export class LayoutError extends Error {
  override readonly name = 'LayoutError'
}

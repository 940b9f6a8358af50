import { randomBytes } from 'node:crypto'
import type { Range } from '../oci/range.ts'

/** What stands around the parts of a multipart/byteranges body (RFC 9110, 14.6). */
export class ByteRanges {
  readonly ranges: readonly Range[]
  readonly contentType: string
  /** After the last part. */
  readonly tail: string
  /** Of the whole body, in bytes. */
  readonly length: number
  readonly #size: number
  readonly #boundary: string

  /** `size`: of the content, in bytes. */
  constructor(ranges: readonly Range[], size: number) {
    // Random, so that no content can have it.
    this.#boundary = randomBytes(18).toString('hex')
    this.#size = size
    this.ranges = ranges
    this.contentType = `multipart/byteranges; boundary=${this.#boundary}`
    this.tail = `\r\n--${this.#boundary}--\r\n`
    this.length = ranges.reduce(
      (sum, range) => sum + this.head(range).length + range.end - range.start + 1,
      this.tail.length,
    )
  }

  /** Before a part. */
  head({ start, end }: Range): string {
    return (
      `\r\n--${this.#boundary}\r\nContent-Type: application/octet-stream\r\n` +
      `Content-Range: bytes ${start}-${end}/${this.#size}\r\n\r\n`
    )
  }

  /** The body, if the content is in memory. */
  of(content: Buffer): Buffer {
    const parts = this.ranges.flatMap(range => [
      Buffer.from(this.head(range)),
      content.subarray(range.start, range.end + 1),
    ])
    return Buffer.concat([...parts, Buffer.from(this.tail)], this.length)
  }
}

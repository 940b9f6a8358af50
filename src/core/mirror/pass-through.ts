import { Readable } from 'node:stream'
import { algorithmOf, type Digest, Hasher } from '../../oci/digest.ts'
import type { RemoteBlob } from '../../remote/contract.ts'
import type { BlobHandle, ByteRange } from '../../store/contract.ts'
import { type Source, transfer, wrong, wrongBytes } from './source.ts'

/**
 * A blob that goes from the upstream to one client, because the cache has no room for it. It is verified as all others
 * are: the last byte is held back until then, so that the bytes before and after a range are transferred as well.
 */
export class PassThrough implements BlobHandle {
  readonly size: number
  readonly isTransfer = true
  readonly #digest: Digest
  readonly #source: Source
  readonly #first: RemoteBlob
  readonly #ending = new AbortController()

  private constructor(digest: Digest, size: number, source: Source, first: RemoteBlob) {
    this.#digest = digest
    this.size = size
    this.#source = source
    this.#first = first
  }

  /** Begins the transfer of a blob of `size` bytes. Throws `RemoteError`, `BLOB_UNKNOWN`. */
  static async open(digest: Digest, size: number, source: Source): Promise<PassThrough> {
    const first = await source.open(0)
    if ((first.size ?? size) === size) return new PassThrough(digest, size, source, first)
    first.cancel()
    throw wrong(source, `it states ${first.size} bytes, and not ${size} (${digest})`)
  }

  read({ start, end }: ByteRange = { start: 0, end: this.size - 1 }): Readable {
    const chunks = this.#part(start, end)
    const [first, ending] = [this.#first, this.#ending]
    return new Readable({
      objectMode: true,
      highWaterMark: 1,
      read() {
        chunks.next().then(
          ({ done, value }) => this.push(done ? null : value),
          error => this.destroy(error),
        )
      },
      destroy(error, done) {
        // Readable.from would wait for the next chunk of an upstream that may be silent.
        ending.abort(error ?? new Error('the client has gone'))
        first.cancel()
        done(error)
      },
    })
  }

  async close(): Promise<void> {
    this.#first.cancel()
  }

  async *#part(start: number, end: number): AsyncGenerator<Uint8Array> {
    const hasher = new Hasher(algorithmOf(this.#digest))
    let position = 0
    let last: Uint8Array = Buffer.alloc(0)
    for await (const chunk of transfer(
      this.#source,
      this.#first,
      this.size,
      this.#ending.signal,
      this.size,
    )) {
      hasher.update(chunk)
      const [from, to] = [Math.max(start - position, 0), Math.min(end - position, chunk.length)]
      if (from < to) yield chunk.subarray(from, to)
      if (position <= end && end < position + chunk.length)
        last = Buffer.from(chunk.subarray(end - position, end - position + 1))
      position += chunk.length
    }
    if (hasher.digest() !== this.#digest) throw wrongBytes(this.#source, this.#digest)
    yield last
  }
}

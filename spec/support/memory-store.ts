import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { type Algorithm, type Digest, digestOf } from '../../src/oci/digest.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import type { BlobHandle, BlobInfo, BlobStore, Upload } from '../../src/store/contract.ts'

interface Kept extends BlobInfo {
  readonly bytes: Buffer
}

/** Blobs in memory, for specs that go through thousands of states. What takes time on a disk takes a turn of the loop here. */
export class MemoryStore implements BlobStore {
  readonly #blobs = new Map<Digest, Kept>()
  readonly #uploads = new Map<string, MemoryUpload>()

  async stat(digest: Digest): Promise<BlobInfo | undefined> {
    await turn()
    return this.#blobs.get(digest)
  }

  async open(digest: Digest): Promise<BlobHandle | undefined> {
    await turn()
    const blob = this.#blobs.get(digest)
    if (!blob) return undefined
    const { bytes, size } = blob
    return {
      size,
      read: ({ start, end } = { start: 0, end: size - 1 }) => Readable.from([bytes.subarray(start, end + 1)]),
      close: async () => {},
    }
  }

  async begin(id: string): Promise<Upload> {
    const upload = new MemoryUpload(id, bytes => this.#publish(id, bytes))
    this.#uploads.set(id, upload)
    return upload
  }

  async stage<T>(id: string, _: Algorithm, work: (upload: Upload) => Promise<T>): Promise<T> {
    const upload = await this.begin(id)
    try {
      return await work(upload)
    } catch (error) {
      await upload.abort()
      throw error
    }
  }

  async resume(id: string): Promise<Upload | undefined> {
    return this.#uploads.get(id)
  }

  async remove(digest: Digest): Promise<boolean> {
    await turn()
    return this.#blobs.delete(digest)
  }

  async *list(after = ''): AsyncIterable<BlobInfo> {
    for (const [digest, blob] of [...this.#blobs].sort(([a], [b]) => (a < b ? -1 : 1))) {
      await turn()
      if (digest > after && this.#blobs.has(digest)) yield blob
    }
  }

  async verify(digest: Digest): Promise<boolean | undefined> {
    return this.#blobs.has(digest) || undefined
  }

  async expireUploads(): Promise<number> {
    return 0
  }

  async admit(): Promise<void> {}

  async checkReads(): Promise<void> {}

  async check(): Promise<void> {}

  async #publish(id: string, bytes: Buffer): Promise<BlobInfo> {
    await turn()
    const digest = digestOf(bytes)
    const blob = { digest, size: bytes.length, modified: new Date(), bytes }
    this.#blobs.set(digest, blob)
    this.#uploads.delete(id)
    return blob
  }
}

class MemoryUpload implements Upload {
  readonly id: string
  readonly #publish: (bytes: Buffer) => Promise<BlobInfo>
  #bytes = Buffer.alloc(0)

  constructor(id: string, publish: (bytes: Buffer) => Promise<BlobInfo>) {
    this.id = id
    this.#publish = publish
  }

  get size(): number {
    return this.#bytes.length
  }

  hold<T>(work: () => Promise<T>): Promise<T> {
    return work()
  }

  async append(body: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const chunk of body) this.#bytes = Buffer.concat([this.#bytes, chunk])
  }

  async digest(): Promise<Digest> {
    return digestOf(this.#bytes)
  }

  read(): Readable {
    return Readable.from([this.#bytes])
  }

  async follow(): Promise<undefined> {}

  async commit(expected: Digest): Promise<BlobInfo> {
    if (digestOf(this.#bytes) !== expected) throw new RegistryError('DIGEST_INVALID')
    return await this.#publish(this.#bytes)
  }

  async abort(): Promise<void> {}
}

import type { Readable } from 'node:stream'
import { batches } from '../lib/batches.ts'
import { orAbsent } from '../lib/errno.ts'
import { fileStream } from '../lib/file-stream.ts'
import { limited } from '../lib/limited.ts'
import type { OpenFile } from '../lib/open-file.ts'
import { writeAll } from '../lib/write-all.ts'
import { type Algorithm, algorithmOf, type Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import { storageError } from '../oci/storage-error.ts'
import type { AppendOptions, BlobHandle, BlobInfo, Upload } from './contract.ts'
import { BLOCK, DirectWriter } from './direct-writer.ts'
import type { FsParts } from './fs-parts.ts'
import { StagedFile } from './staged-file.ts'
import { StagedHash } from './staged-hash.ts'

/** A body that is silent for so long makes those wait who read along, in milliseconds. */
const PAUSE = 10

/** A write so long ago, in milliseconds, still makes the blob young. */
const YOUNG = 1000

/** A staged file. Its size on disk is the truth; the session in memory only keeps writers apart and the hash warm. */
export class FsUpload implements Upload {
  readonly id: string
  readonly #parts: FsParts
  readonly #hash: StagedHash
  readonly #forget: () => void
  readonly #staged: StagedFile
  #size = 0
  /** Whether that is the size of the file; a write that failed may have left some of its bytes. */
  #sure = true
  /** When the last write was, by performance.now(). */
  #written = Number.NEGATIVE_INFINITY
  #busy = false
  /** When a request was at work on it last, by performance.now(). */
  #used = Number.NEGATIVE_INFINITY
  /** Committed or aborted; its file may be open yet for who holds it. */
  #gone = false

  constructor(id: string, parts: FsParts, algorithm: Algorithm, forget: () => void) {
    this.id = id
    this.#parts = parts
    this.#hash = new StagedHash(algorithm)
    this.#staged = new StagedFile(parts.disk.fs, parts.layout.upload(id))
    this.#forget = forget
  }

  get size(): number {
    return this.#size
  }

  /**
   * Whether a request is at work on it or holds it, or has been at work within so many milliseconds, however the clock
   * was put meanwhile.
   */
  isActive(time: number): boolean {
    return this.#busy || this.#staged.inUse || performance.now() - this.#used < time
  }

  /** Makes its file, empty. Throws where there is one. If it is to be `held`, it stays open until commit or abort. */
  async create(held = false): Promise<void> {
    this.#used = performance.now()
    try {
      await this.#staged.create(held)
    } catch (error) {
      throw storageError(error)
    }
  }

  /** Looks how much is staged; false where nothing is, not even an empty file. */
  async refresh(): Promise<boolean> {
    const stats = await orAbsent(this.#parts.disk.fs.stat(this.#staged.path))
    // A power loss may leave the file of a blob its staged name as well: nobody shall write to that.
    const staged = stats?.nlink === 1
    // While a writer is at work its last bytes may yet be taken back.
    if (staged && !this.#busy) this.#seen(stats.size)
    if (!staged) this.#end()
    return staged
  }

  hold<T>(work: () => Promise<T>): Promise<T> {
    return this.#staged.hold(work)
  }

  append(body: AsyncIterable<Uint8Array>, { at, max, onStaged }: AppendOptions): Promise<void> {
    return this.#alone(async file => {
      this.#parts.disk.assertWritable()
      if (at !== undefined && at !== this.#size) throw this.#outOfOrder()
      let end = this.#size
      // Who reads along finds what was just written in the page cache.
      const direct = onStaged ? undefined : new DirectWriter(this.#parts.disk.fs, this.#staged.path)
      const options = onStaged ? { from: end, patience: PAUSE } : { from: end }
      try {
        for await (const batch of batches(limited(body, max - end, tooLarge), BLOCK, options)) {
          await this.#parts.space.assert()
          end = await this.#write(file, batch, end, direct)
          onStaged?.(end)
        }
      } catch (error) {
        if (error instanceof RegistryError && error.error === 'BLOB_TOO_LARGE') end = this.#size
        this.#hash.cut(end)
        // Behind `end` may be half a write. Should this fail too, the next request takes the size from the file.
        await file.truncate(end).catch(() => {})
        throw error
      } finally {
        this.#size = end
        await direct?.close()
      }
    })
  }

  digest(algorithm?: Algorithm): Promise<Digest> {
    return this.#alone(file => this.#hash.digest(file, this.#size, algorithm))
  }

  read(): Readable {
    return fileStream(() => this.#staged.lend(), 0, this.#size)
  }

  async follow(
    size: number,
    arrived: (position: number, end: number) => Promise<number>,
  ): Promise<BlobHandle | undefined> {
    // Opened now: the name goes with commit, the file does not.
    const file = await orAbsent(this.#parts.disk.fs.open(this.#staged.path, 'r'))
    return (
      file && {
        size,
        read: ({ start, end } = { start: 0, end: size - 1 }, chunkSize, keepOpen) =>
          fileStream(async () => file, start, end + 1, {
            arrived: position => arrived(position, end + 1),
            chunkSize,
            keepOpen,
          }),
        close: () => file.close(),
      }
    )
  }

  /**
   * A blob of that name is replaced by the same bytes, never kept: this heals one that has rotted on disk, and makes
   * it young again for who collects garbage by age.
   */
  commit(expected: Digest): Promise<BlobInfo> {
    const { disk, layout, inspector } = this.#parts
    return this.#alone(async file => {
      disk.assertWritable()
      const actual = await this.#hash.digest(file, this.#size, algorithmOf(expected))
      if (actual !== expected) throw new RegistryError('DIGEST_INVALID', { detail: { expected, actual } })
      const now = new Date()
      if (performance.now() - this.#written > YOUNG) await file.utimes(now, now)
      await disk.publish(file, this.#staged.path, layout.blob(expected))
      const { mtime: modified = now } = (await inspector.published(expected, file)) ?? {}
      this.#end()
      await this.#staged.release()
      return { digest: expected, size: this.#size, modified }
    })
  }

  async abort(): Promise<void> {
    try {
      await orAbsent(this.#parts.disk.fs.unlink(this.#staged.path))
      this.#end()
    } finally {
      await this.#staged.release()
    }
  }

  /** Writes the batch at that position and answers where it ends; hashes it meanwhile. */
  async #write(
    file: OpenFile,
    batch: readonly Uint8Array[],
    position: number,
    direct?: DirectWriter,
  ): Promise<number> {
    const put = async () =>
      (await direct?.write(batch, position)) ? position + BLOCK : writeAll(file, batch, position)
    this.#written = performance.now()
    const end = put()
    this.#hash.update(batch, position)
    return end
  }

  /** Runs the work on the staged file. A second request at the same time is refused: neither order would be right. */
  async #alone<T>(work: (file: OpenFile) => Promise<T>): Promise<T> {
    if (this.#busy) throw this.#outOfOrder('another request is at work on this upload')
    this.#busy = true
    try {
      return await this.#staged.use(async file => {
        if (!file || this.#gone) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
        if (!this.#sure) this.#seen((await file.stat()).size)
        return work(file)
      })
    } catch (error) {
      this.#sure = false
      throw storageError(error)
    } finally {
      this.#busy = false
      this.#used = performance.now()
    }
  }

  #end(): void {
    this.#gone = true
    this.#forget()
  }

  #seen(size: number): void {
    this.#size = size
    this.#sure = true
  }

  #outOfOrder(message?: string): RegistryError {
    return new RegistryError('BLOB_UPLOAD_OUT_OF_ORDER', {
      ...(message && { message }),
      detail: { size: this.#size },
    })
  }
}

function tooLarge(): RegistryError {
  return new RegistryError('BLOB_TOO_LARGE')
}

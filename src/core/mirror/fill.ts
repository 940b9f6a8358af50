import { randomUUID } from 'node:crypto'
import { algorithmOf, type Digest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import type { RemoteBlob } from '../../remote/contract.ts'
import type { BlobHandle, BlobStore, Upload } from '../../store/contract.ts'
import { type Source, transfer, wrong, wrongBytes } from './source.ts'

/**
 * How long a transfer without readers is paused before it is given up, in milliseconds: a client that lost its
 * connection tries again after about five seconds, and some clients read a blob range by range.
 */
const PAUSE_MS = 10_000

/** A client that asks for a blob opens it at once; one that has not after so many milliseconds never will. */
const OPENING_MS = 100

/** The most bytes that are taken of a blob if neither a manifest nor the upstream states its size. */
const MAX_UNSTATED_BYTES = 32 * 1024 * 1024

const NEITHER = 'it states no size, and the cache has no room for a blob that may be large'

/** Publishes what has come and was verified; `release` lets readers have its last byte. */
export type Keep = (upload: Upload, release: () => void) => Promise<void>

/** Takes room for that many bytes, and returns the function that gives it back; undefined if there is none. */
export type Reserve = (bytes: number) => (() => void) | undefined

/** No room in the cache for a blob: it can still be passed through. */
export class NoRoom extends Error {
  override readonly name = 'NoRoom'
  /** Of the blob, in bytes. */
  readonly size: number

  constructor(size: number) {
    super(`the cache of mirrored content has no room for ${size} bytes`)
    this.size = size
  }
}

/** A transfer was given up because it has no readers any more. */
export class GivenUp extends Error {
  override readonly name = 'GivenUp'
}

export interface FillOptions {
  readonly source: Source
  /** The most bytes that the blob can have, if manifests name its size. */
  readonly named?: number | undefined
  readonly reserve: Reserve
  readonly keep: Keep
  /** A transfer that lacks no more bytes than this is finished without readers. */
  readonly finish: number
  /** See `PAUSE_MS`. */
  readonly pause?: number
  /** Called when the transfer is paused, because it has no readers. */
  readonly onPaused?: () => void
}

/**
 * One transfer of a blob from an upstream, shared by all clients that want it. They read along in the staged file, each
 * at its own pace. The last byte of what each one asked for is held back until the whole was verified, so that no client
 * takes wrong bytes, or a part of them, for right.
 *
 * Without readers the transfer is paused, and given up after a while, unless it is nearly done.
 */
export class Fill {
  readonly digest: Digest
  /** In bytes: as stated before the transfer, else what has come in the end. Rejects as `done` does. */
  readonly size: Promise<number>
  /** Resolves when it is kept. Throws `RemoteError`, `GivenUp`, `NoRoom`, `BLOB_UNKNOWN`, `STORAGE_FULL`, `READ_ONLY`. */
  readonly done: Promise<void>
  readonly #store: BlobStore
  readonly #options: FillOptions
  readonly #ending = new AbortController()
  #upload: Upload | undefined
  /** As stated; undefined before that, and if it is not. */
  #total: number | undefined
  #staged = 0
  /** Open handles, and those that are being opened. */
  #readers = 0
  #timer: NodeJS.Timeout | undefined
  #released = false
  #error: unknown
  #change: Promise<void> = Promise.resolve()
  #changed = () => {}

  constructor(store: BlobStore, digest: Digest, options: FillOptions) {
    this.#store = store
    this.#options = options
    this.digest = digest
    this.#notify()
    let sized = (_: number) => {}
    const announced = new Promise<number>(resolve => {
      sized = resolve
    })
    this.done = this.#run(size => sized(size))
    this.size = Promise.race([announced, this.done.then(() => this.#staged)])
    // Both may have no listener at all.
    this.size.catch(() => {})
    this.done.catch(() => {})
  }

  /** Whether it has failed, or was given up. */
  get isOver(): boolean {
    return this.#error !== undefined || this.#ending.signal.aborted
  }

  /** The blob as it comes. Throws as `done` does; what goes wrong later breaks the stream off. */
  async open(): Promise<BlobHandle> {
    this.#enter()
    try {
      const size = await this.size
      const arrived = (position: number, end: number) => this.#arrived(position, end)
      const handle = size > 0 ? await this.#upload?.follow(size, arrived) : undefined
      if (handle) return this.#counted(handle)
      await this.done
      const blob = await this.#store.open(this.digest)
      if (blob) return this.#counted(blob)
      throw new RegistryError('BLOB_UNKNOWN', { detail: { digest: this.digest } })
    } catch (error) {
      this.#leave()
      throw error
    }
  }

  /** Ends the transfer, if it has no readers and is not nearly done. */
  giveUp(): void {
    if (this.#readers > 0 || this.#isNearlyDone(this.#staged)) return
    clearTimeout(this.#timer)
    this.#ending.abort(new GivenUp('no client waits for this blob any more'))
    this.#notify()
  }

  async #run(sized: (size: number) => void): Promise<void> {
    const algorithm = algorithmOf(this.digest)
    const { source, keep, reserve } = this.#options
    let release = () => {}
    try {
      const first = await this.#first()
      try {
        const size = this.#total
        const taken = reserve(size ?? MAX_UNSTATED_BYTES)
        if (!taken) throw size === undefined ? wrong(source, NEITHER) : new NoRoom(size)
        release = taken
        await this.#store.stage(`fill-${randomUUID()}`, algorithm, async upload => {
          this.#upload = upload
          if (size !== undefined) sized(size)
          if (this.#readers === 0) this.#timer = setTimeout(() => this.#pause(), OPENING_MS)
          const max = size ?? MAX_UNSTATED_BYTES
          const bytes = this.#whileWanted(transfer(source, first, max, this.#ending.signal, size))
          const onStaged = (staged: number) => {
            this.#staged = staged
            this.#notify()
          }
          await upload.append(bytes, { at: 0, max, onStaged })
          clearTimeout(this.#timer)
          if ((await upload.digest(algorithm)) !== this.digest) throw wrongBytes(source, this.digest)
          await keep(upload, () => {
            this.#released = true
            this.#notify()
          })
        })
      } finally {
        first.cancel()
      }
    } catch (error) {
      this.#error = error
      throw error
    } finally {
      release()
      clearTimeout(this.#timer)
      this.#notify()
    }
  }

  /** The begin of the transfer, with the size known if there is a way to know it. */
  async #first(): Promise<RemoteBlob> {
    const { source, named } = this.#options
    const first = await source.open(0)
    try {
      if (named !== undefined && (first.size ?? 0) > named)
        throw wrong(source, `it states ${first.size} bytes, and the manifest says ${named} (${this.digest})`)
      // A HEAD that fails says nothing about the transfer.
      this.#total = first.size ?? named ?? (await source.stat().catch(() => undefined))
      return first
    } catch (error) {
      first.cancel()
      throw error
    }
  }

  /** The chunks, as long as there are readers or the transfer is nearly done. */
  async *#whileWanted(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let position = 0
    for await (const chunk of chunks) {
      position += chunk.length
      yield chunk
      while (this.#readers === 0 && !this.#isNearlyDone(position)) {
        this.#ending.signal.throwIfAborted()
        await this.#change
      }
    }
  }

  #isNearlyDone(position: number): boolean {
    return this.#total === undefined || this.#total - position <= this.#options.finish
  }

  #enter(): void {
    this.#readers++
    clearTimeout(this.#timer)
    this.#notify()
  }

  #leave(): void {
    if (--this.#readers === 0 && !this.isOver) this.#pause()
  }

  /** Begins to wait for a reader, and gives the transfer up if none comes. */
  #pause(): void {
    const { pause = PAUSE_MS, onPaused } = this.#options
    clearTimeout(this.#timer)
    if (this.#isNearlyDone(this.#staged)) return
    this.#timer = setTimeout(() => this.giveUp(), pause)
    onPaused?.()
  }

  /** The handle, whose reader leaves when it is closed or its stream is. */
  #counted(handle: BlobHandle): BlobHandle {
    let open = true
    const leave = () => {
      if (open) this.#leave()
      open = false
    }
    return {
      size: handle.size,
      ...(handle.bytes && { bytes: handle.bytes }),
      read: (range, chunkSize, keepOpen) => {
        const stream = handle.read(range, chunkSize, keepOpen)
        return keepOpen ? stream : stream.once('close', leave)
      },
      close: () => handle.close().finally(leave),
    }
  }

  /** Waits for the byte at that position. Returns up to where a reader of all before `end` may read. */
  async #arrived(position: number, end: number): Promise<number> {
    for (;;) {
      if (this.#released) return end
      if (this.#error) throw this.#error
      const until = Math.min(this.#staged, end - 1)
      if (until > position) return until
      await this.#change
    }
  }

  /** Wakes readers that wait for the next bytes or the end, and the transfer that waits for a reader. */
  #notify(): void {
    const changed = this.#changed
    this.#change = new Promise(resolve => {
      this.#changed = resolve
    })
    changed()
  }
}

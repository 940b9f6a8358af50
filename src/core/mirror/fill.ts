import { randomUUID } from 'node:crypto'
import { algorithmOf, type Digest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import type { RemoteBlob } from '../../remote/contract.ts'
import { RemoteError } from '../../remote/error.ts'
import type { BlobHandle, BlobStore, Upload } from '../../store/contract.ts'

/** How often a transfer that breaks off is taken up again where it stood. */
const RESUMES = 2

/** Where the bytes come from. */
export interface Source {
  /** The upstream's name. */
  readonly name: string
  /** The bytes from `start` on. Throws `RemoteError`, and `BLOB_UNKNOWN` where it does not have them. */
  open(start: number): Promise<RemoteBlob>
}

/** Publishes what has come and was verified; `release` lets those who read along have its last byte. */
export type Keep = (upload: Upload, release: () => void) => Promise<void>

/**
 * One transfer of a blob from an upstream, for all who want it. It goes on whoever leaves. They read along in the
 * staged file, each at its own pace; but the last byte of what each one asked for is held back until the whole was
 * verified, so that nobody takes wrong bytes, or a part of them, for right.
 */
export class Fill {
  readonly digest: Digest
  /** In bytes: what the upstream says, else what has come in the end. Rejects as `done` does. */
  readonly size: Promise<number>
  /** Resolves when it is kept. Throws `RemoteError`, `BLOB_UNKNOWN`, `STORAGE_FULL`, `READ_ONLY`. */
  readonly done: Promise<void>
  readonly #store: BlobStore
  readonly #source: Source
  readonly #keep: Keep
  #upload: Upload | undefined
  #staged = 0
  #released = false
  #error: unknown
  #change: Promise<void> = Promise.resolve()
  #changed = () => {}

  constructor(store: BlobStore, digest: Digest, source: Source, keep: Keep) {
    this.#store = store
    this.#source = source
    this.#keep = keep
    this.digest = digest
    this.#tell()
    let sized = (_: number) => {}
    const announced = new Promise<number>(resolve => {
      sized = resolve
    })
    this.done = this.#run(size => sized(size))
    this.size = Promise.race([announced, this.done.then(() => this.#staged)])
    // Who wants to know asks; nobody may.
    this.size.catch(() => {})
  }

  /** The blob as it comes. Throws as `done` does; what goes wrong later breaks the stream off. */
  async open(): Promise<BlobHandle> {
    const size = await this.size
    const arrived = (position: number, end: number) => this.#arrived(position, end)
    const handle = size > 0 ? await this.#upload?.follow(size, arrived) : undefined
    if (handle) return handle
    await this.done
    const blob = await this.#store.open(this.digest)
    if (blob) return blob
    throw new RegistryError('BLOB_UNKNOWN', { detail: { digest: this.digest } })
  }

  async #run(sized: (size: number) => void): Promise<void> {
    const algorithm = algorithmOf(this.digest)
    try {
      await this.#store.stage(`fill-${randomUUID()}`, algorithm, async upload => {
        this.#upload = upload
        await this.#transfer(upload, sized)
        if ((await upload.digest(algorithm)) !== this.digest)
          throw this.#wrong('what it sent is not what the digest tells')
        await this.#keep(upload, () => {
          this.#released = true
          this.#tell()
        })
      })
    } catch (error) {
      const tooLarge = error instanceof RegistryError && error.error === 'BLOB_TOO_LARGE'
      this.#error = tooLarge ? this.#wrong('it sent more bytes than it said') : error
      throw this.#error
    } finally {
      this.#tell()
    }
  }

  async #transfer(upload: Upload, sized: (size: number) => void): Promise<void> {
    let blob = await this.#source.open(0)
    const max = blob.size ?? Number.POSITIVE_INFINITY
    if (blob.size !== undefined) sized(blob.size)
    const onStaged = (staged: number) => {
      this.#staged = staged
      this.#tell()
    }
    for (let resumes = 0; ; resumes++) {
      try {
        if (resumes > 0) blob = await this.#source.open(upload.size)
        await upload.append(blob.body, { at: upload.size, max, onStaged })
        return
      } catch (error) {
        if (!(error instanceof RemoteError) || resumes === RESUMES) throw error
      } finally {
        blob.cancel()
      }
    }
  }

  /** Waits for the byte at that position, and answers up to where somebody who wants all before `end` may read. */
  async #arrived(position: number, end: number): Promise<number> {
    for (;;) {
      if (this.#released) return end
      if (this.#error) throw this.#error
      const until = Math.min(this.#staged, end - 1)
      if (until > position) return until
      await this.#change
    }
  }

  /** Lets go on who waits for the next bytes, or the end. */
  #tell(): void {
    const changed = this.#changed
    this.#change = new Promise(resolve => {
      this.#changed = resolve
    })
    changed()
  }

  #wrong(message: string): RemoteError {
    const { name } = this.#source
    return new RemoteError(name, 'wrong', `${name}: ${message} (${this.digest})`)
  }
}

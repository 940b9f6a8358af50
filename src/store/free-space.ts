import type { Fs } from '../lib/file-system.ts'
import { RegistryError } from '../oci/errors.ts'

/** How old an answer of the file system may be, in milliseconds: what is written meanwhile goes beyond the limit. */
const FRESH = 20

/** Space that shall stay free, so that the index and deletes have room when uploads have taken the rest. */
export class FreeSpace {
  readonly #fs: Fs
  readonly #folder: string
  readonly #min: number
  readonly #now: () => number
  #looked = Number.NEGATIVE_INFINITY
  #free: Promise<number> = Promise.resolve(0)

  /** `min` in bytes; 0: none. `now`: a clock in milliseconds that is never put back. */
  constructor(fs: Fs, folder: string, min: number, now: () => number = () => performance.now()) {
    this.#fs = fs
    this.#folder = folder
    this.#min = min
    this.#now = now
  }

  /** Throws `STORAGE_FULL` where less is free. */
  async assert(): Promise<void> {
    if (this.#min === 0) return
    const now = this.#now()
    if (now - this.#looked >= FRESH) {
      this.#looked = now
      this.#free = this.#look()
    }
    const free = await this.#free
    if (free >= this.#min) return
    throw new RegistryError('STORAGE_FULL', {
      message: 'the storage of this registry is full; it takes content again when there is space',
      detail: { free, min: this.#min },
    })
  }

  async #look(): Promise<number> {
    try {
      const { bavail, bsize } = await this.#fs.statfs(this.#folder)
      return bavail * bsize
    } catch {
      // Not every file system can tell; a full one still does so at the write.
      return Number.POSITIVE_INFINITY
    }
  }
}

import type { Fs } from '../lib/file-system.ts'
import { RegistryError } from '../oci/errors.ts'

/** How old an answer of the file system may be, in milliseconds: what is written meanwhile goes beyond the limit. */
const FRESH = 20

/** Space that shall stay free, so that the index and deletes have room when uploads have taken the rest. */
export class FreeSpace {
  readonly #fs: Fs
  readonly #folder: string
  readonly #min: number
  /** When it was first seen that less is free. */
  #since: Date | undefined
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
    if (this.#min > 0 && (await this.#lacks(this.#min))) throw this.#full()
  }

  /** The same for a readiness check: says since when, and without a limit throws if nothing at all is free. */
  async check(): Promise<void> {
    if (!(await this.#lacks(Math.max(this.#min, 1)))) return
    throw this.#full(` (since ${this.#since?.toISOString()})`)
  }

  async #lacks(bytes: number): Promise<boolean> {
    const now = this.#now()
    if (now - this.#looked >= FRESH) {
      this.#looked = now
      this.#free = this.#look()
    }
    const lacks = (await this.#free) < bytes
    if (!lacks) this.#since = undefined
    else this.#since ??= new Date()
    return lacks
  }

  #full(more = ''): RegistryError {
    return new RegistryError('STORAGE_FULL', {
      message: `the storage of this registry is full; it takes content again when there is space${more}`,
      detail: { min: this.#min },
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

import type { Stats } from 'node:fs'
import type { Digest } from '../oci/digest.ts'

/** About 25 MB of memory. What is forgotten is read once more. */
const MOST = 100_000

/**
 * Which blob files were read whole and found right: a cache, for that time and for this process.
 * A file is known by its inode, size and time of change, so one that was replaced or written to is unknown again.
 */
export class Verified {
  /** In milliseconds; Infinity: files are taken for right without being read. */
  readonly #lasting: number
  readonly #files = new Map<Digest, { readonly version: string; readonly at: number }>()

  constructor(lasting: number) {
    this.#lasting = lasting
  }

  has(digest: Digest, stats: Stats): boolean {
    if (this.#lasting === Number.POSITIVE_INFINITY) return true
    const file = this.#files.get(digest)
    return file?.version === versionOf(stats) && performance.now() - file.at < this.#lasting
  }

  add(digest: Digest, stats: Stats): void {
    this.#files.delete(digest)
    this.#files.set(digest, { version: versionOf(stats), at: performance.now() })
    // The one verified longest ago is the next to be verified again in any case.
    if (this.#files.size > MOST) this.#files.delete(this.#files.keys().next().value as Digest)
  }
}

/** Differs between any two files, and between any two contents of a file that the system has seen written. */
export function versionOf({ ino, size, ctimeMs }: Stats): string {
  return `${ino} ${size} ${ctimeMs}`
}

import type { Stats } from 'node:fs'
import { dropOldest } from '../lib/drop-oldest.ts'
import type { Digest } from '../oci/digest.ts'
import type { VerifiedBlob } from './verified-file.ts'

/** About 25 MB of memory. What is forgotten is read once more. */
const MOST = 100_000

/** Only larger files, in bytes, are remembered past a restart: to read one of the others takes a few milliseconds. */
const REMEMBERED_FROM = 4 * 1024 * 1024

/** At most so many are remembered past a restart, about a megabyte: those that were verified last. */
const MOST_REMEMBERED = 10_000

interface Known {
  readonly version: string
  /** By performance.now(), so a clock that is put back makes no file good for longer. */
  readonly at: number
  readonly large: boolean
}

/**
 * Which blob files were read whole and found right: a cache, for that time.
 * A file is known by its inode, size and time of change, so one that was replaced or written to is unknown again.
 */
export class Verified {
  /** In milliseconds; Infinity: files are taken for right without being read. */
  readonly #lasting: number
  readonly #files = new Map<Digest, Known>()
  #changed = false

  constructor(lasting: number) {
    this.#lasting = lasting
  }

  has(digest: Digest, stats: Stats): boolean {
    if (this.#lasting === Number.POSITIVE_INFINITY) return true
    const file = this.#files.get(digest)
    return file?.version === versionOf(stats) && performance.now() - file.at < this.#lasting
  }

  add(digest: Digest, stats: Stats): void {
    const large = stats.size > REMEMBERED_FROM
    if (large) this.#changed = true
    this.#files.delete(digest)
    this.#files.set(digest, { version: versionOf(stats), at: performance.now(), large })
    // The one verified longest ago is the next to be verified again in any case.
    dropOldest(this.#files, MOST)
  }

  /** Takes over what an earlier process has remembered, unless it is too old, or from the future. */
  recall(blobs: readonly VerifiedBlob[]): void {
    const now = Date.now()
    for (const { digest, version, at } of blobs.slice(-MOST_REMEMBERED))
      if (at <= now && now - at < this.#lasting)
        this.#files.set(digest, { version, at: performance.now() - (now - at), large: true })
  }

  /** What is to be remembered past a restart; undefined if that is what it was at the last call. */
  remembered(): VerifiedBlob[] | undefined {
    if (!this.#changed) return undefined
    this.#changed = false
    const began = Date.now() - performance.now()
    return [...this.#files]
      .filter(([, { large }]) => large)
      .slice(-MOST_REMEMBERED)
      .map(([digest, { version, at }]) => ({ digest, version, at: began + at }))
  }
}

/** Differs between any two files, and between any two contents of a file that the system has seen written. */
export function versionOf({ ino, size, ctimeMs }: Stats): string {
  return `${ino} ${size} ${ctimeMs}`
}

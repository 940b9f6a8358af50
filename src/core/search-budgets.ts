import type { Clock } from '../lib/clock.ts'
import { dropOldest } from '../lib/drop-oldest.ts'

const MIB = 2 ** 20

/** What it takes to search a layer. */
export interface SearchCost {
  /** Bytes that were read, unpacked ones where it is packed. */
  readonly bytes: number
  /** Entries of an archive; 1 for any other layer. */
  readonly entries: number
}

/** What the layers of one manifest may cost together. */
export const MANIFEST_LIMITS = { bytes: 256 * MIB, entries: 1000 }

/**
 * What one archive may cost. Compressed, it may unpack to 100 times its size, because plugins compress to a tenth at
 * best and bombs to a thousandth; small ones to `free` bytes in any case.
 */
export const LAYER_LIMITS = { ...MANIFEST_LIMITS, plugins: 64, ratio: 100, free: 4 * MIB }

/** Bytes that the archives of a repository may unpack to in a minute, beyond the bytes that were sent. */
const BYTES_A_MINUTE = 512 * MIB

const MINUTE_NS = 60_000_000_000n

/** Repositories whose use is remembered; one that is forgotten begins a new minute. */
const REPOSITORIES = 1024

/** The budget of a manifest. Which of its layers it suffices for depends on their content and order alone. */
export class ManifestBudget {
  #bytes = MANIFEST_LIMITS.bytes
  #entries = MANIFEST_LIMITS.entries

  /** Takes the cost out of the budget; false when there is less left, and then nothing is left. */
  take({ bytes, entries }: SearchCost): boolean {
    const enough = bytes <= this.#bytes && entries <= this.#entries
    this.#bytes = enough ? this.#bytes - bytes : -1
    this.#entries -= entries
    return enough
  }

  get isSpent(): boolean {
    return this.#bytes < 0 || this.#entries <= 0
  }
}

/** The budgets of repositories for each minute. */
export class RepositoryBudgets {
  readonly #clock: Clock
  readonly #used = new Map<string, { readonly since: bigint; bytes: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Milliseconds until the repository has a budget again; 0: it has. */
  wait(repository: string): number {
    const { since, bytes } = this.#minuteOf(repository)
    if (bytes < BYTES_A_MINUTE) return 0
    return Math.max(1, Number((since + MINUTE_NS - this.#clock.now()) / 1_000_000n))
  }

  /** The repository's archives have unpacked to so many bytes beyond their size. */
  charge(repository: string, bytes: number): void {
    const minute = this.#minuteOf(repository)
    minute.bytes += bytes
    this.#used.set(repository, minute)
    dropOldest(this.#used, REPOSITORIES)
  }

  #minuteOf(repository: string): { readonly since: bigint; bytes: number } {
    const now = this.#clock.now()
    const minute = this.#used.get(repository)
    if (minute && now < minute.since + MINUTE_NS) return minute
    this.#used.delete(repository)
    return { since: now, bytes: 0 }
  }
}

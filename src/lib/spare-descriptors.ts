import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'

/** A spare that is missing is taken back as soon as a file is closed, and else after so long. */
const RETRY_MS = 1000

/**
 * File descriptors kept open for nothing, so that files can be opened when connections have taken all others.
 * Giving one up and opening the file is one synchronous step: nothing else gets the descriptor in between.
 */
export class SpareDescriptors {
  readonly #held: number[] = []
  #wanted = 0
  /** How many are lent at the moment. */
  #lent = 0
  #timer: NodeJS.Timeout | undefined

  /** Keeps so many from now on; 0: none. Fewer if no more can be opened yet. */
  keep(count: number): void {
    this.#wanted = count
    this.refill()
  }

  /** How many are held now. */
  get held(): number {
    return this.#held.length
  }

  /** Whether some are missing. */
  get short(): boolean {
    return this.#held.length < this.#wanted - this.#lent
  }

  /** Runs the work with one descriptor more, if there is a spare one; it may keep it, see `refill`. */
  spend<T>(work: () => T): T {
    const fd = this.#held.pop()
    if (fd === undefined) return work()
    closeSync(fd)
    try {
      return work()
    } finally {
      this.#later()
    }
  }

  /** Runs the work, of threads that open files by themselves, with half of the spare descriptors given up. */
  async lend<T>(work: () => Promise<T>): Promise<T> {
    const count = Math.ceil(this.#held.length / 2)
    this.#lent += count
    for (const fd of this.#held.splice(0, count)) closeSync(fd)
    try {
      return await work()
    } finally {
      this.#lent -= count
      this.refill()
    }
  }

  /** Takes back what is missing, and gives up what is too much. */
  refill(): void {
    while (this.#held.length > this.#wanted) closeSync(this.#held.pop() as number)
    while (this.short) {
      try {
        this.#held.push(openSync(devNull, 'r'))
      } catch {
        this.#later()
        return
      }
    }
  }

  #later(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.refill()
    }, RETRY_MS).unref()
  }
}

/** Those of this process. */
export const spareDescriptors = new SpareDescriptors()

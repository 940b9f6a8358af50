import { setTimeout as sleep } from 'node:timers/promises'

/** Holds work down to so many bytes a second, on the average of the time since it began. */
export class Pace {
  readonly #rate: number
  readonly #signal: AbortSignal
  #due = 0

  constructor(rate: number, signal: AbortSignal) {
    this.#rate = rate
    this.#signal = signal
  }

  /** Waits until so much work more is due. Throws when it is to stop. */
  async spend(bytes: number): Promise<void> {
    this.#signal.throwIfAborted()
    const now = performance.now()
    // Time in which nothing was asked for is not made up for.
    this.#due = Math.max(this.#due, now) + (bytes / this.#rate) * 1000
    await sleep(this.#due - now, undefined, { signal: this.#signal })
  }
}

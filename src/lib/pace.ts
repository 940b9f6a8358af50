import { setTimeout as sleep } from 'node:timers/promises'

/** The world around: what specs put in its place. */
interface Timing {
  /** A clock in milliseconds that is never put back. */
  now(): number
  /** Waits for so many milliseconds; rejects if the signal is aborted. */
  wait(time: number, signal: AbortSignal): Promise<unknown>
}

const REAL: Timing = {
  now: () => performance.now(),
  wait: (time, signal) => sleep(time, undefined, { signal }),
}

/** Holds work down to so many bytes a second, on the average of the time since it began. */
export class Pace {
  readonly #rate: number
  readonly #signal: AbortSignal
  readonly #timing: Timing
  #due = 0

  constructor(rate: number, signal: AbortSignal, timing = REAL) {
    this.#rate = rate
    this.#signal = signal
    this.#timing = timing
  }

  /** Waits until so much work more is due. Throws when it is to stop. */
  async spend(bytes: number): Promise<void> {
    this.#signal.throwIfAborted()
    const now = this.#timing.now()
    // Time in which nothing was asked for is not made up for.
    this.#due = Math.max(this.#due, now) + (bytes / this.#rate) * 1000
    await this.#timing.wait(this.#due - now, this.#signal)
  }
}

/** Where the limit looks at the time; specs put another in its place. */
interface Timing {
  /** Milliseconds on a clock that is never put back. */
  now(): number
  /** Milliseconds of the processor that this process has used, all of its threads. */
  used(): number
}

const REAL: Timing = {
  now: () => performance.now(),
  used: () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  },
}

/** Milliseconds after which work is given up that waits and uses no processor. */
const STUCK_MS = 120_000

/** Milliseconds between two looks at the processor time, at least. */
const LOOK_EVERY_MS = 20

/**
 * A time limit for the work of another thread. `onOver` is called once `time` milliseconds have passed both on the clock
 * and on the processor, so work is not given up because other processes keep the processor busy. The processor time is
 * that of this process, because Node.js 20 does not report that of one thread: at least as much as the thread has used.
 */
export class WorkLimit {
  readonly #time: number
  readonly #onOver: () => void
  readonly #timing: Timing
  readonly #begun: number
  readonly #usedBefore: number
  #timer: NodeJS.Timeout

  constructor(time: number, onOver: () => void, timing: Timing = REAL) {
    this.#time = time
    this.#onOver = onOver
    this.#timing = timing
    this.#begun = timing.now()
    this.#usedBefore = timing.used()
    this.#timer = setTimeout(() => this.#look(), Math.min(time, STUCK_MS))
  }

  /** The work has ended. */
  stop(): void {
    clearTimeout(this.#timer)
  }

  #look(): void {
    const left = this.#time - (this.#timing.used() - this.#usedBefore)
    if (left <= 0 || this.#timing.now() - this.#begun >= STUCK_MS) this.#onOver()
    else this.#timer = setTimeout(() => this.#look(), Math.max(left, LOOK_EVERY_MS))
  }
}

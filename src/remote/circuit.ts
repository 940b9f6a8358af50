import { RemoteError } from './error.ts'

/** So many requests in a row without a connection or an answer, and the upstream is left alone. */
const MOST_FAILURES = 3

/** How long it is left alone first, and at most, in milliseconds; twice as long each time that one more try fails. */
const FIRST_WAIT = 5_000
const LONGEST_WAIT = 60_000

/**
 * Keeps a dead upstream from slowing those who ask: after a few failures requests fail at once, until one, let through
 * after a while, gets an answer.
 */
export class Circuit {
  readonly #upstream: string
  readonly #now: () => number
  #failures = 0
  #wait = FIRST_WAIT
  /** When it is asked again; undefined while all is well. */
  #open: { until: number; reason: string } | undefined
  #probing = false

  /** `now`: a clock in milliseconds. */
  constructor(upstream: string, now: () => number) {
    this.#upstream = upstream
    this.#now = now
  }

  /** Runs the work, whose `RemoteError`s tell how the upstream is, or throws one of its own at once. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const probe = this.#enter()
    try {
      const outcome = await work()
      this.#close()
      return outcome
    } catch (error) {
      if (error instanceof RemoteError) this.#note(error, probe)
      throw error
    } finally {
      if (probe) this.#probing = false
    }
  }

  /** Whether this request is the one that finds out if the upstream is back. */
  #enter(): boolean {
    const now = this.#now()
    if (!this.#open) return false
    const left = this.#open.until - now
    if (left > 0 || this.#probing) {
      const again = left > 0 ? `in ${seconds(left)} s` : 'right now'
      const reason = `not asked, it is tried again ${again}; it failed before: ${this.#open.reason}`
      throw new RemoteError(this.#upstream, 'unreachable', `${this.#upstream}: ${reason}`)
    }
    this.#probing = true
    return true
  }

  #note({ failure, message }: RemoteError, probe: boolean): void {
    if (failure !== 'unreachable' && failure !== 'timeout') {
      this.#close()
      return
    }
    this.#failures++
    // Others that were under way when it was left alone tell nothing new.
    if (this.#failures < MOST_FAILURES || (this.#open && !probe)) return
    this.#open = { until: this.#now() + this.#wait, reason: message }
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT)
  }

  #close(): void {
    this.#failures = 0
    this.#wait = FIRST_WAIT
    this.#open = undefined
  }
}

function seconds(milliseconds: number): number {
  return Math.ceil(milliseconds / 1000)
}

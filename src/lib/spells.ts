import { setTimeout as rest } from 'node:timers/promises'

/** Work between two rests, in milliseconds. */
const SPELL = 20

/** Long work in short spells, for which others need not wait. */
export class Spells {
  readonly #gentle: boolean
  readonly #signal: AbortSignal | undefined
  readonly #now: () => number
  #working: number

  /**
   * `gentle`: rests as long as it works, for whom it runs beside. `now`: a clock in milliseconds that is never put back.
   */
  constructor(gentle: boolean, signal?: AbortSignal, now: () => number = () => performance.now()) {
    this.#gentle = gentle
    this.#signal = signal
    this.#now = now
    this.#working = now()
  }

  /** Ends a step, and the spell where that was long enough. Throws when it is to stop. */
  async breathe(): Promise<void> {
    this.#signal?.throwIfAborted()
    const worked = this.#now() - this.#working
    if (worked < SPELL) return
    await rest(this.#gentle ? worked : 0, undefined, { signal: this.#signal })
    this.#working = this.#now()
  }
}

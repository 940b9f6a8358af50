import { setTimeout as rest } from 'node:timers/promises'

/** Work between two rests, in milliseconds. */
const SPELL = 20

/** Long work in short spells, for which others need not wait. */
export class Spells {
  readonly #gentle: boolean
  readonly #signal: AbortSignal | undefined
  #working = performance.now()

  /** `gentle`: rests as long as it works, for whom it runs beside. */
  constructor(gentle: boolean, signal?: AbortSignal) {
    this.#gentle = gentle
    this.#signal = signal
  }

  /** Ends a step, and the spell where that was long enough. Throws when it is to stop. */
  async breathe(): Promise<void> {
    this.#signal?.throwIfAborted()
    const worked = performance.now() - this.#working
    if (worked < SPELL) return
    await rest(this.#gentle ? worked : 0, undefined, { signal: this.#signal })
    this.#working = performance.now()
  }
}

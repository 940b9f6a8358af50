import { OutOfBounds } from '../../lib/bytes.ts'
import { PluginError } from '../error.ts'

/** Readings that may fail one by one: what one could not read is noted, and the others go on. */
export class Attempts {
  readonly #problems = new Set<string>()

  /** Each once, in the order in which they came up. */
  get problems(): string[] {
    return [...this.#problems]
  }

  /** What the reading answers, or undefined where the file is broken there. */
  make<T>(reading: () => T): T | undefined {
    try {
      return reading()
    } catch (error) {
      if (error instanceof PluginError) this.note(error.reason)
      else if (error instanceof OutOfBounds) this.note(error.message)
      else throw error
      return undefined
    }
  }

  note(problem: string): void {
    this.#problems.add(problem)
  }
}

import { dropOldest } from './drop-oldest.ts'

/** Values by texts that are remembered for a while, in memory, and at most so many: the oldest go first. */
export class ExpiringMap<T> {
  readonly #max: number
  /** In the order in which they came. */
  readonly #entries = new Map<string, { readonly value: T; readonly end: number }>()

  constructor(max: number) {
    this.#max = max
  }

  /** `time` in milliseconds. */
  set(key: string, value: T, time: number): void {
    this.#entries.delete(key)
    this.#entries.set(key, { value, end: performance.now() + time })
    dropOldest(this.#entries, this.#max)
  }

  get(key: string): T | undefined {
    const entry = this.#entries.get(key)
    if (!entry) return undefined
    if (performance.now() < entry.end) return entry.value
    this.#entries.delete(key)
    return undefined
  }
}

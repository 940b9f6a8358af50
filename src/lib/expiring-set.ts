/** Texts that are remembered for a while, in memory, and at most so many: the oldest go first. */
export class ExpiringSet {
  readonly #most: number
  /** When each one goes, in the order in which they came. */
  readonly #ends = new Map<string, number>()

  constructor(most: number) {
    this.#most = most
  }

  /** `time` in milliseconds. */
  add(text: string, time: number): void {
    this.#ends.delete(text)
    this.#ends.set(text, performance.now() + time)
    if (this.#ends.size > this.#most) this.#ends.delete(this.#ends.keys().next().value as string)
  }

  has(text: string): boolean {
    const end = this.#ends.get(text)
    if (end === undefined) return false
    if (performance.now() < end) return true
    this.#ends.delete(text)
    return false
  }
}

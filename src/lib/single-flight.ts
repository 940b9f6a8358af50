/** Work under a key that runs once at a time: who asks meanwhile gets the same outcome. */
export class SingleFlight<T> {
  readonly #going = new Map<string, Promise<T>>()

  run(key: string, work: () => Promise<T>): Promise<T> {
    const going = this.#going.get(key) ?? work().finally(() => this.#going.delete(key))
    this.#going.set(key, going)
    return going
  }

  /** When what runs now has ended, well or not. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#going.values())
  }
}

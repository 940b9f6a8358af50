/** Runs work one after another among those that share a key; others go side by side. */
export class KeyedLock {
  /** The last in line at each key; a key without anybody in line has no entry. */
  readonly #tails = new Map<string, Promise<void>>()

  /** Runs when all work that was asked before under any of the keys has ended, well or not. */
  async run<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const unique = [...new Set(keys)]
    const before = unique.map(key => this.#tails.get(key))
    let release = () => {}
    const done = new Promise<void>(resolve => {
      release = resolve
    })
    // All places in line are taken in one step, so two callers never wait for each other.
    for (const key of unique) this.#tails.set(key, done)
    try {
      await Promise.all(before)
      return await work()
    } finally {
      release()
      for (const key of unique) if (this.#tails.get(key) === done) this.#tails.delete(key)
    }
  }
}

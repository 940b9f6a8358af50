/** Who is in line at a key. */
interface Line {
  /** Settles when the last that asked to be alone has ended. */
  readonly alone: Promise<unknown> | undefined
  /** Settles when everybody has. */
  readonly all: Promise<unknown>
}

/** Runs work one after another among those that share a key; others go side by side. */
export class KeyedLock {
  /** A key without anybody in line has no entry. */
  readonly #lines = new Map<string, Line>()

  /** Runs when all work that was asked before under any of the keys has ended, well or not. */
  run<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    return this.#queue(keys, work, 'alone')
  }

  /** Runs side by side with others that `share` the keys, and apart from those that `run` under any of them. */
  share<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    return this.#queue(keys, work, 'shared')
  }

  /** Runs now, alone, where nobody is in line at any of the keys; else not at all, and answers undefined. */
  async attempt<T>(keys: readonly string[], work: () => Promise<T>): Promise<T | undefined> {
    return keys.some(key => this.#lines.has(key)) ? undefined : await this.run(keys, work)
  }

  async #queue<T>(keys: readonly string[], work: () => Promise<T>, mode: 'alone' | 'shared'): Promise<T> {
    let release = () => {}
    const done = new Promise<void>(resolve => {
      release = resolve
    })
    // All places in line are taken in one step, so two callers never wait for each other.
    const before = [...new Set(keys)].map(key => this.#enter(key, done, mode))
    try {
      await Promise.all(before)
      return await work()
    } finally {
      release()
    }
  }

  /** Takes the next place in line until `done`; answers what to wait for. */
  #enter(key: string, done: Promise<void>, mode: 'alone' | 'shared'): Promise<unknown> | undefined {
    const before = this.#lines.get(key)
    const line: Line =
      mode === 'shared' && before
        ? { alone: before.alone, all: Promise.all([before.all, done]) }
        : { alone: mode === 'alone' ? done : undefined, all: done }
    this.#lines.set(key, line)
    void line.all.then(() => {
      if (this.#lines.get(key) === line) this.#lines.delete(key)
    })
    return mode === 'shared' ? before?.alone : before?.all
  }
}

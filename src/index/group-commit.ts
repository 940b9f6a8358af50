/**
 * Shares one costly commit among all who ask while the one before is under way. They come in order, and nobody is
 * told before their own items are through. What waits may build on what goes before it: a commit that fails fails for
 * those that wait behind it as well.
 */
export class GroupCommit<Item> {
  readonly #commit: (items: Item[]) => Promise<void>
  readonly #onFailure: (error: unknown) => void
  #waiting: Item[] = []
  #next: Promise<void> | undefined
  /** Resolves when the commit under way has ended, with its error. */
  #running: Promise<{ error: unknown } | undefined> | undefined

  /** `onFailure` hears of each failure before those do whose items are lost by it. */
  constructor(commit: (items: Item[]) => Promise<void>, onFailure: (error: unknown) => void = () => {}) {
    this.#commit = commit
    this.#onFailure = onFailure
  }

  /** Resolves when the items are committed, in the order in which they were added. */
  add(items: readonly Item[]): Promise<void> {
    this.#waiting.push(...items)
    this.#next ??= this.#begin()
    return this.#next
  }

  async #begin(): Promise<void> {
    const before = await this.#running
    const items = this.#waiting
    this.#waiting = []
    this.#next = undefined
    const failed = before ?? (await this.#run(items))
    if (!failed) return
    this.#onFailure(failed.error)
    throw failed.error
  }

  #run(items: Item[]): Promise<{ error: unknown } | undefined> {
    const running = this.#outcome(items)
    this.#running = running
    // Before those hear of it that wait behind.
    void running.then(() => {
      this.#running = undefined
    })
    return running
  }

  async #outcome(items: Item[]): Promise<{ error: unknown } | undefined> {
    try {
      await this.#commit(items)
      return undefined
    } catch (error) {
      return { error }
    }
  }
}

/**
 * Shares one costly commit among all who ask while the one before is under way.
 * Nobody is told before their own items are through; a commit that fails fails for all in it.
 */
export class GroupCommit<Item> {
  readonly #commit: (items: Item[]) => Promise<void>
  #waiting: Item[] = []
  #next: Promise<void> | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(commit: (items: Item[]) => Promise<void>) {
    this.#commit = commit
  }

  /** Resolves when the items are committed, in the order in which they were added. */
  add(items: readonly Item[]): Promise<void> {
    this.#waiting.push(...items)
    this.#next ??= this.#begin()
    return this.#next
  }

  async #begin(): Promise<void> {
    await this.#running
    const items = this.#waiting
    this.#waiting = []
    this.#next = undefined
    const commit = this.#commit(items)
    this.#running = commit.catch(() => {})
    await commit
  }
}

/** A queue in which owners take turns: one item of each, in the order in which they came, then the next of each. */
export class Turns<T> {
  readonly #lines = new Map<string, T[]>()

  /** The items that an owner has in it. */
  waiting(owner: string): readonly T[] {
    return this.#lines.get(owner) ?? []
  }

  add(owner: string, item: T): void {
    const line = this.#lines.get(owner)
    if (line) line.push(item)
    else this.#lines.set(owner, [item])
  }

  /** Takes out the item whose turn it is. */
  next(): T | undefined {
    const [first] = this.#lines
    if (!first) return undefined
    const [owner, line] = first
    const item = line.shift()
    // Its next item comes after one of everybody else.
    this.#lines.delete(owner)
    if (line.length > 0) this.#lines.set(owner, line)
    return item
  }
}

/** Of one list, and of all together, in bytes of their JSON. */
const MAX_LIST_BYTES = 1024 * 1024
const MAX_BYTES = 16 * 1024 * 1024

interface Recent<T> {
  readonly list: T
  /** Milliseconds, by performance.now(). */
  readonly at: number
  readonly size: number
}

/** The lists that upstreams sent last, for when they do not answer. In memory only; the oldest go first. */
export class RecentLists<T> {
  readonly #lists = new Map<string, Recent<T>>()
  #size = 0

  set(key: string, list: T): void {
    const size = key.length + JSON.stringify(list).length
    this.#delete(key)
    if (size > MAX_LIST_BYTES) return
    this.#lists.set(key, { list, at: performance.now(), size })
    this.#size += size
    for (const [oldest] of this.#lists) {
      if (this.#size <= MAX_BYTES) return
      this.#delete(oldest)
    }
  }

  /** With its age in seconds. */
  get(key: string): { list: T; age: number } | undefined {
    const recent = this.#lists.get(key)
    return recent && { list: recent.list, age: Math.floor((performance.now() - recent.at) / 1000) }
  }

  #delete(key: string): void {
    const recent = this.#lists.get(key)
    if (!recent) return
    this.#lists.delete(key)
    this.#size -= recent.size
  }
}

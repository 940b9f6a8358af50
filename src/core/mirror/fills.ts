import type { Fill } from './fill.ts'

/** So many transfers at a time wait for a reader to come back; each one holds a connection to its upstream. */
const MAX_PAUSED = 4

/** The transfers under way, by keys of the caller's. */
export class Fills<F extends Fill> {
  readonly #going = new Map<string, F>()
  /** In the order in which they were paused; some of them go on by now. */
  readonly #paused = new Set<F>()

  /** One that can be joined. */
  get(key: string): F | undefined {
    const fill = this.#going.get(key)
    return fill?.isOver ? undefined : fill
  }

  add(key: string, fill: F): void {
    this.#going.set(key, fill)
    fill.done
      .catch(() => {})
      .finally(() => {
        this.#paused.delete(fill)
        if (this.#going.get(key) === fill) this.#going.delete(key)
      })
  }

  /** Notes that the transfer waits for a reader; the one that has waited longest may be given up for it. */
  paused(fill: F): void {
    this.#paused.delete(fill)
    this.#paused.add(fill)
    const [oldest] = this.#paused
    if (this.#paused.size <= MAX_PAUSED || !oldest) return
    this.#paused.delete(oldest)
    oldest.giveUp()
  }

  /** Gives up those that have no readers. */
  giveUp(): void {
    for (const fill of this.#going.values()) fill.giveUp()
  }

  /** When those that are under way now have ended, well or not. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#going.values()].map(({ done }) => done))
  }
}

const KEPT = 50
const AFTER = 10
const SHOWN_PER_KIND = 3

interface Shown {
  readonly headline: string
  readonly before: readonly string[]
  readonly after: string[]
}

/** The last events of a run, and the failures among them: each is printed with the events around it. */
export class EventLog {
  readonly #began = performance.now()
  readonly #events: string[] = []
  readonly #failures = new Map<string, number>()
  readonly #waiting: Shown[] = []
  readonly #print: (text: string) => void

  constructor(print: (text: string) => void) {
    this.#print = print
  }

  get failed(): number {
    return [...this.#failures.values()].reduce((sum, n) => sum + n, 0)
  }

  /** Number of failures of each kind. */
  get failures(): ReadonlyMap<string, number> {
    return this.#failures
  }

  note(text: string): void {
    const event = `+${((performance.now() - this.#began) / 1000).toFixed(3)}s ${text}`
    this.#events.push(event)
    if (this.#events.length > KEPT) this.#events.shift()
    for (const shown of this.#waiting) shown.after.push(event)
    while (this.#waiting[0] && this.#waiting[0].after.length >= AFTER) this.#show()
  }

  /** `kind` is what failures are counted by; the first few of each kind are printed. */
  fail(kind: string, detail: string): void {
    const n = (this.#failures.get(kind) ?? 0) + 1
    this.#failures.set(kind, n)
    this.note(`FAILED ${kind}: ${detail}`)
    if (n <= SHOWN_PER_KIND)
      this.#waiting.push({
        headline: `${kind}: ${detail}`,
        before: this.#events.slice(AFTER - KEPT),
        after: [],
      })
  }

  /** Prints the failures that still wait for the events after them. */
  flush(): void {
    while (this.#waiting.length > 0) this.#show()
  }

  #show(): void {
    const shown = this.#waiting.shift()
    if (!shown) return
    const lines = [...shown.before, ...shown.after].map(event => `    ${event}`)
    this.#print(`FAILED ${shown.headline}\n${lines.join('\n')}\n`)
  }
}

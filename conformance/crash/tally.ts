/** What happened in a run, and what should not have. */
export class Tally {
  readonly #counts = new Map<string, number>()
  readonly #faults: string[] = []
  #passed = 0

  count(what: string, by = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + by)
  }

  check(holds: boolean, fault: string): void {
    if (holds) {
      this.#passed++
      return
    }
    this.#faults.push(fault)
    if (this.#faults.length <= 20) console.log(`FAILED ${fault}`)
  }

  get failed(): number {
    return this.#faults.length
  }

  /** How many of the faults have this in them. */
  faults(text: string): number {
    return this.#faults.filter(fault => fault.includes(text)).length
  }

  print(): void {
    for (const [what, n] of [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1))) {
      console.log(`${what.padEnd(42)} ${String(n).padStart(9)}`)
    }
    console.log(`\n${this.#passed} passed, ${this.failed} failed`)
  }
}

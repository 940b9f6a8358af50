import Mocha from 'mocha'

const LEVELS = ['MUST', 'SHOULD', 'beyond', 'hostile'] as const

/** Counts of a run by level, the last word of each title. */
export class Tally {
  readonly #counts = new Map<string, { passed: number; failed: number; skipped: number }>()

  constructor(runner: Mocha.Runner) {
    for (const level of LEVELS) this.#counts.set(level, { passed: 0, failed: 0, skipped: 0 })
    runner.on(Mocha.Runner.constants.EVENT_TEST_PASS, test => this.#count(test.title).passed++)
    runner.on(Mocha.Runner.constants.EVENT_TEST_FAIL, test => this.#count(test.title).failed++)
    runner.on(Mocha.Runner.constants.EVENT_TEST_PENDING, test => this.#count(test.title).skipped++)
  }

  #count(title: string): { passed: number; failed: number; skipped: number } {
    const level = /\[(\w+)\]$/.exec(title)?.[1] ?? 'other'
    const count = this.#counts.get(level) ?? { passed: 0, failed: 0, skipped: 0 }
    this.#counts.set(level, count)
    return count
  }

  /** One line a level and the sum. */
  lines(): string[] {
    const rows = [...this.#counts].filter(([, { passed, failed, skipped }]) => passed + failed + skipped > 0)
    const sum = { passed: 0, failed: 0, skipped: 0 }
    for (const [, count] of rows) {
      for (const key of ['passed', 'failed', 'skipped'] as const) sum[key] += count[key]
    }
    return [...rows, ['total', sum] as const].map(
      ([level, { passed, failed, skipped }]) =>
        `${level.padEnd(8)} ${String(passed).padStart(5)} passed ${String(failed).padStart(5)} failed ${String(skipped).padStart(5)} skipped`,
    )
  }
}

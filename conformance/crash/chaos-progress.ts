import type { EventLog } from './chaos-events.ts'
import type { FaultTimes } from './chaos-fault-times.ts'
import type { ChaosLedger } from './chaos-ledger.ts'
import type { Watch } from './chaos-watch.ts'

const TERMINAL_EVERY_MS = 2000
const PLAIN_EVERY_MS = 10_000
const SAMPLE_EVERY_MS = 500

/** Samples what the servers hold, and prints a line about the run every few seconds. */
export class Progress {
  readonly #began = performance.now()
  readonly #timers: readonly NodeJS.Timeout[]

  constructor(
    watches: readonly Watch[],
    { faults, ledger, events }: { faults: FaultTimes; ledger: ChaosLedger; events: EventLog },
  ) {
    const [watch] = watches
    const line = () => {
      const { last } = watch ?? {}
      return [
        `${Math.round((performance.now() - this.#began) / 1000)} s`,
        `${ledger.acknowledged} acknowledged`,
        `${ledger.there.length} there`,
        `${last?.descriptors} descriptors`,
        `${Math.round((last?.memory ?? 0) / 1024)} MiB`,
        `${events.failed} failed`,
        `now: ${[...faults.active].join(', ') || 'no fault'}`,
      ].join(', ')
    }
    const sample = () => void Promise.all(watches.map(each => each.sample())).catch(() => {})
    const terminal = process.stdout.isTTY
    const print = () => process.stdout.write(terminal ? `\r\x1b[K${line()}` : `${line()}\n`)
    this.#timers = [
      setInterval(sample, SAMPLE_EVERY_MS),
      setInterval(print, terminal ? TERMINAL_EVERY_MS : PLAIN_EVERY_MS),
    ]
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer)
    if (process.stdout.isTTY) process.stdout.write('\r\x1b[K')
  }
}

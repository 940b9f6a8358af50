import { setTimeout as sleep } from 'node:timers/promises'
import type { EventLog } from './chaos-events.ts'
import { VITALS, type Vitals, vitalsOf } from './chaos-vitals.ts'

/**
 * How much more a process may hold at the end than after the warm-up.
 *
 * Memory: 128 MiB. The heap of JavaScript has some 25 MiB after a collection, and V8 lets it double before it looks
 * through it (see serve.ts). The cache of responses has up to 8 MiB. The rest is what malloc keeps: 45 MiB in its main
 * arena and 20 MiB in those of the threads, after bodies and chunks of every size were freed in between. A response that
 * leaks holds its chunk, so some hundred of the thousands that a run cuts would show.
 * Index files: LevelDB holds a log, a manifest and the tables that it has just written.
 * Threads: the pools are started by the warm-up; LevelDB starts its thread with the first compaction.
 */
const MORE: Partial<Record<keyof Vitals, number>> = {
  memory: 128 * 1024,
  mapped: Number.POSITIVE_INFINITY,
  'index files': 6,
  threads: 1,
}

/** How long a server may take until it is quiet. It is generous because the machine may be busy. */
const QUIET_MS = 90_000

export interface Watched {
  readonly pid: number
  readonly url: string
  readonly storage: string
}

/** What one server holds over the time of a run. */
export class Watch {
  readonly name: string
  readonly #server: Watched
  #first: Vitals | undefined
  #max: Vitals | undefined
  #last: Vitals | undefined

  constructor(name: string, server: Watched) {
    this.name = name
    this.#server = server
  }

  get last(): Vitals | undefined {
    return this.#last
  }

  async sample(): Promise<Vitals | undefined> {
    const { pid, url, storage } = this.#server
    const vitals = await vitalsOf(pid, url, storage)
    if (!vitals) return undefined
    this.#last = vitals
    const most = this.#max
    this.#max = most ? mapped(name => Math.max(most[name], vitals[name])) : vitals
    return vitals
  }

  /** What the server holds when nothing is going on, to compare with later. */
  async begin(): Promise<void> {
    for (const end = performance.now() + QUIET_MS; performance.now() < end; await sleep(250)) {
      this.#first = await this.sample()
      if (this.#first?.connections === 0 && this.#first['staged files'] === 0) return
    }
    throw new Error(`${this.name} is not quiet after the warm-up: ${JSON.stringify(this.#first)}`)
  }

  /** Waits until the server holds what it held at the beginning; reports what it still holds when the time is over. */
  async compare(events: EventLog): Promise<void> {
    const first = this.#first
    if (!first) throw new Error('nothing to compare with')
    let more: (keyof Vitals)[] = []
    for (const end = performance.now() + QUIET_MS; performance.now() < end; await sleep(250)) {
      const now = await this.sample()
      more = VITALS.filter(name => !now || now[name] > first[name] + (MORE[name] ?? 0))
      if (more.length === 0) return
    }
    for (const name of more)
      events.fail(
        `${this.name} holds more ${name}`,
        `${first[name]} after the warm-up, ${this.#last?.[name]} at the end`,
      )
  }

  /** Lines of a table. */
  table(): string[] {
    return VITALS.map(name => {
      const cells = [this.#first, this.#max, this.#last].map(vitals => shown(name, vitals?.[name]))
      return `${`${this.name}: ${name}`.padEnd(42)} ${cells.map(cell => cell.padStart(12)).join('')}`
    })
  }
}

function mapped(value: (name: keyof Vitals) => number): Vitals {
  return Object.fromEntries(VITALS.map(name => [name, value(name)])) as unknown as Vitals
}

function shown(name: keyof Vitals, value: number | undefined): string {
  if (value === undefined) return '-'
  return name === 'memory' || name === 'mapped' ? `${(value / 1024).toFixed(1)} MiB` : String(value)
}

import { setTimeout as sleep } from 'node:timers/promises'
import { errno } from '../../src/lib/errno.ts'
import type { ChaosClock } from './chaos-clock.ts'
import type { EventLog } from './chaos-events.ts'
import type { FaultKind, FaultTimes } from './chaos-fault-times.ts'
import { type Answer, HungUp } from './registry-client.ts'
import type { Tally } from './tally.ts'

/** `open`: the answer was cut, so the change was made or not. */
export type Change =
  | { readonly outcome: 'done'; readonly answer: Answer }
  | { readonly outcome: 'refused' | 'open' }

/** Faults in which the server, or its system, may close connections without an answer. */
const CUTTING: readonly FaultKind[] = ['stop', 'kill', 'few descriptors']

/** Decides whether what a client got is right, given the faults that were there at the time. */
export class Judge {
  readonly #faults: FaultTimes
  readonly #clock: ChaosClock
  readonly #uploadTtl: number
  readonly #events: EventLog
  readonly #tally: Tally

  /** `uploadTtl` in milliseconds. */
  constructor(faults: FaultTimes, clock: ChaosClock, uploadTtl: number, events: EventLog, tally: Tally) {
    this.#clock = clock
    this.#uploadTtl = uploadTtl
    this.#faults = faults
    this.#events = events
    this.#tally = tally
  }

  /**
   * Sends a request that changes something. It may be refused with 507 or 503 while the disk is full or descriptors are
   * short, and then has changed nothing. `excused` says whether another answer is right too, such as 404 for an upload
   * that a clock step has made old.
   */
  async change(
    what: string,
    accepted: readonly number[],
    send: () => Promise<Answer>,
    {
      cut = false,
      excused = () => false as boolean,
    }: { cut?: boolean; excused?: (answer: Answer) => boolean } = {},
  ): Promise<Change> {
    const since = performance.now()
    try {
      const answer = await send()
      const { status, bytes } = answer
      if (accepted.includes(status)) return { outcome: 'done', answer }
      if (excused(answer)) return { outcome: 'refused' }
      const faults = this.#faults.during(since)
      const full = faults.has('full disk')
      if ((status === 507 && full) || (status === 503 && (full || faults.has('few descriptors')))) {
        this.#tally.count(`writes refused with ${status}`)
        return { outcome: 'refused' }
      }
      this.#events.fail(
        `write answered ${status}${named(faults)}`,
        `${what} -> ${status} ${bytes.subarray(0, 300)}`,
      )
      return { outcome: status >= 500 ? 'open' : 'refused' }
    } catch (error) {
      if (!(error instanceof HungUp)) throw error
      const faults = this.#faults.during(since)
      if (errno(error.cause) === 'ECONNREFUSED' && mayCut(faults)) {
        this.#tally.count('writes without a connection')
        await sleep(50)
        return { outcome: 'refused' }
      }
      // A server that refuses a body early may close before the client has sent it all (RFC 9112, 9.6).
      const mayClose = cut || mayCut(faults) || faults.has('full disk')
      if (!mayClose) this.#events.fail(`write cut by the server${named(faults)}`, error.message)
      else this.#tally.count(cut ? 'writes cut by the client' : 'writes cut during a fault')
      return { outcome: 'open' }
    }
  }

  /** Whether a 404 for an upload that began then says only that it was too old, or lost with the process. */
  mayHaveExpired({ status }: Answer, began: number): boolean {
    const faults = this.#faults.during(began)
    // Files have the real time, so while the clock is ahead all of them look old.
    const old =
      performance.now() - began >= this.#uploadTtl || this.#clock.shift > 0 || faults.has('clock step')
    if (status !== 404 || !(old || faults.has('kill') || faults.has('stop'))) return false
    this.#tally.count('uploads that have expired')
    return true
  }

  /** Whether a read that got no answer, or 503, may have been refused because its connection could not be taken. */
  mayRefuseRead(since: number, status?: number): boolean {
    const faults = this.#faults.during(since)
    return status === undefined ? mayCut(faults) : status === 503 && faults.has('few descriptors')
  }

  /** Whether that fault was there from then on. */
  had(kind: FaultKind, since: number): boolean {
    return this.#faults.during(since).has(kind)
  }

  /** ` during full disk`, or nothing. */
  during(since: number): string {
    return named(this.#faults.during(since))
  }
}

function mayCut(faults: ReadonlySet<FaultKind>): boolean {
  return CUTTING.some(kind => faults.has(kind))
}

function named(faults: ReadonlySet<FaultKind>): string {
  return faults.size === 0 ? '' : ` during ${[...faults].sort().join(' and ')}`
}

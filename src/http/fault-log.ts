import type { Context } from 'koa'
import { dropOldest } from '../lib/drop-oldest.ts'
import type { Logger } from '../log.ts'
import type { RegistryError } from '../oci/errors.ts'

/** Faults of one kind are written once in this time, and counted meanwhile. */
const PERIOD_MS = 60_000

/** Kinds that are remembered: one for each upstream and failure. */
const MAX_KINDS = 1000

interface Repeated {
  readonly since: number
  count: number
}

/** Faults behind responses of 500 and more. What an upstream did wrong is a line without a stack, because it is no fault of this program. */
export class FaultLog {
  readonly #log: Logger
  readonly #now: () => number
  readonly #repeated = new Map<string, Repeated>()

  /** `now`: a clock in milliseconds. */
  constructor(log: Logger, now: () => number = () => performance.now()) {
    this.#log = log
    this.#now = now
  }

  report(error: RegistryError, { method, url }: Pick<Context, 'method' | 'url'>): void {
    // Clients can cause many of these, and none of them is a fault.
    if (error.error === 'OVERLOADED') return
    // Without a cause nothing failed: the storage was read-only at the start, which has been logged.
    if (error.error === 'READ_ONLY' && error.cause === undefined) return
    if (!error.error.startsWith('UPSTREAM_')) this.#log.error({ err: error, method, url }, 'request failed')
    // RFC 9111, 5.2.1.7: a client asked for what is here and not for the upstream, so nothing failed.
    else if (error.detail !== undefined) this.#reportUpstream(error, { method, url })
  }

  #reportUpstream({ message, detail }: RegistryError, request: { method: string; url: string }): void {
    const { mirror = '', failure = '' } = detail as { mirror?: string; failure?: string }
    const kind = `${mirror} ${failure}`
    const last = this.#repeated.get(kind)
    const now = this.#now()
    if (last && now - last.since < PERIOD_MS) {
      last.count++
      return
    }
    this.#repeated.delete(kind)
    this.#repeated.set(kind, { since: now, count: 0 })
    dropOldest(this.#repeated, MAX_KINDS)
    const repeated = last?.count ? { repeated: last.count } : {}
    this.#log.warn({ mirror, failure, reason: message, ...request, ...repeated }, 'an upstream failed')
  }
}

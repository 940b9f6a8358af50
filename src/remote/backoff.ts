import { dropOldest } from '../lib/drop-oldest.ts'
import { RemoteError } from './error.ts'

/** If so many repositories were answered 429, the limit is taken for one of the whole upstream. */
const MAX_PLACES = 3

/** When the whole upstream is held back, one request is let through after so many milliseconds, then twice as many. */
const FIRST_PROBE_MS = 5_000
const LAST_PROBE_MS = 60_000

/** Repositories are named by clients, so their number has no bound. */
const MAX_HELD = 1000

/** What a request asks for: upstreams limit requests by kind and by repository. */
export interface Topic {
  readonly kind: 'tag' | 'manifest' | 'blob' | 'list' | 'metadata' | 'token'
  /** The repository; at a memflow registry the plugin or file. */
  readonly place: string
}

interface Hold {
  readonly until: number
  readonly place: string
  readonly reason: string
}

/**
 * Holds requests back whose upstream has answered 429 with Retry-After (RFC 6585, section 4): at first those of the same
 * kind and repository. If several repositories were answered so, all requests are held back, and single ones find out
 * whether that is still so.
 */
export class Backoff {
  readonly #upstream: string
  readonly #now: () => number
  /** By kind and place. */
  readonly #held = new Map<string, Hold>()
  /** Places that were answered 429, and until when they are held back. */
  readonly #places = new Map<string, number>()
  #all: { until: number; probe: number; wait: number; reason: string } | undefined
  #probing = false
  /** Errors that a hold was made of, or that come of one. */
  readonly #noted = new WeakSet<RemoteError>()

  /** `now`: a clock in milliseconds. */
  constructor(upstream: string, now: () => number) {
    this.#upstream = upstream
    this.#now = now
  }

  /** Runs the work, or throws a `RemoteError` (`busy`) at once. */
  async run<T>(topic: Topic, work: () => Promise<T>): Promise<T> {
    this.#check(topic)
    const probe = this.#enter()
    try {
      const outcome = await work()
      if (probe) this.#release()
      return outcome
    } catch (error) {
      if (error instanceof RemoteError) {
        this.#note(topic, error)
        if (probe) this.#judge(error)
      }
      throw error
    } finally {
      if (probe) this.#probing = false
    }
  }

  /** The same for a request that another one needs, such as one for a token: the other one was let through. */
  async part<T>(topic: Topic, work: () => Promise<T>): Promise<T> {
    this.#check(topic)
    try {
      return await work()
    } catch (error) {
      if (error instanceof RemoteError) this.#note(topic, error)
      throw error
    }
  }

  #check({ kind, place }: Topic): void {
    const key = `${kind} ${place}`
    const hold = this.#held.get(key)
    if (!hold) return
    const left = hold.until - this.#now()
    if (left > 0) throw this.#refuse(left, hold.reason)
    this.#held.delete(key)
  }

  /** Whether this request is the one that finds out if the upstream takes requests again. */
  #enter(): boolean {
    const now = this.#now()
    if (this.#all && this.#all.until <= now) this.#release()
    if (!this.#all) return false
    const left = this.#all.probe - now
    if (left > 0 || this.#probing) throw this.#refuse(Math.max(left, 1000), this.#all.reason)
    this.#probing = true
    return true
  }

  #note({ kind, place }: Topic, error: RemoteError): void {
    const { failure, retryAfter = 0, message: reason } = error
    if (failure !== 'busy' || retryAfter <= 0 || this.#noted.has(error)) return
    this.#noted.add(error)
    const now = this.#now()
    const until = now + retryAfter * 1000
    const key = `${kind} ${place}`
    this.#held.delete(key)
    this.#held.set(key, { until, place, reason })
    dropOldest(this.#held, MAX_HELD)
    for (const [other, end] of this.#places) if (end <= now) this.#places.delete(other)
    this.#places.set(place, until)
    if (this.#all || this.#places.size < MAX_PLACES) return
    const last = Math.max(...this.#places.values())
    this.#all = { until: last, probe: now + FIRST_PROBE_MS, wait: FIRST_PROBE_MS, reason }
  }

  /** What the outcome of a request says that was let through. One that got no answer says nothing. */
  #judge({ failure }: RemoteError): void {
    if (failure !== 'busy' && failure !== 'unreachable' && failure !== 'timeout') this.#release()
    if (!this.#all) return
    const wait = Math.min(this.#all.wait * 2, LAST_PROBE_MS)
    this.#all = { ...this.#all, wait, probe: this.#now() + wait }
  }

  #release(): void {
    this.#all = undefined
    this.#places.clear()
  }

  #refuse(milliseconds: number, reason: string): RemoteError {
    const retryAfter = Math.ceil(milliseconds / 1000)
    const message = `${this.#upstream}: not asked for ${retryAfter} s more, because it has asked for that: ${reason}`
    const error = new RemoteError(this.#upstream, 'busy', message, { retryAfter })
    this.#noted.add(error)
    return error
  }
}

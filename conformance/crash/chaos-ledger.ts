import type { Random } from '../support/random.ts'
import type { Content } from './registry-client.ts'

/** A path that must return these bytes. */
export interface Readable {
  readonly path: string
  readonly content: Content
}

/** What one acknowledged request, or several, have put into the registry: an artifact, a tag or a plugin. */
export interface Holding {
  readonly name: string
  readonly reads: readonly Readable[]
}

/** A request that was cut, whose effect is unknown until it is taken back. */
export interface Doubt {
  readonly path: string
  /** `performance.now()` of the cut. */
  readonly since: number
}

const GONE_KEPT = 200

/** What must be there, what must be gone, and what may be either. */
export class ChaosLedger {
  readonly #there: Holding[] = []
  readonly #gone: string[] = []
  readonly doubts: Doubt[] = []
  acknowledged = 0
  verified = 0

  get there(): readonly Holding[] {
    return this.#there
  }

  get gone(): readonly string[] {
    return this.#gone
  }

  has(holding: Holding): boolean {
    return this.#there.includes(holding)
  }

  isGone(path: string): boolean {
    return this.#gone.includes(path)
  }

  acknowledge(holding: Holding): void {
    this.acknowledged++
    this.hold(holding)
  }

  /** It is there as before: the request that would have changed it was refused. */
  hold(holding: Holding): void {
    this.#there.push(holding)
  }

  /** A request that changes it is about to begin, so it cannot be checked. */
  release(holding: Holding): void {
    const at = this.#there.indexOf(holding)
    if (at < 0) return
    const last = this.#there.pop()
    if (last && at < this.#there.length) this.#there[at] = last
  }

  /** A path that was deleted, and is never used again. */
  remove(path: string): void {
    this.#gone.push(path)
    if (this.#gone.length > GONE_KEPT) this.#gone.shift()
  }

  /** `path` is what takes the effect of the request back. */
  doubt(path: string): void {
    this.doubts.push({ path, since: performance.now() })
  }

  pick(random: Random): Holding | undefined {
    return this.#there[random.below(this.#there.length)]
  }
}

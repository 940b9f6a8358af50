export type FaultKind = 'full disk' | 'few descriptors' | 'clock step' | 'stop' | 'kill'

interface Period {
  readonly kind: FaultKind
  readonly began: number
  /** Infinity while the fault lasts. */
  ended: number
}

const KEPT = 200

/** When which fault was there. Times are those of `performance.now()`. */
export class FaultTimes {
  readonly #periods: Period[] = []
  readonly #totals = new Map<FaultKind, { count: number; ms: number }>()

  /** The fault is there until the returned function is called. */
  begin(kind: FaultKind): () => void {
    const period: Period = { kind, began: performance.now(), ended: Number.POSITIVE_INFINITY }
    this.#periods.push(period)
    if (this.#periods.length > KEPT) this.#periods.shift()
    return () => {
      period.ended = performance.now()
      const total = this.#totals.get(kind) ?? { count: 0, ms: 0 }
      this.#totals.set(kind, { count: total.count + 1, ms: total.ms + period.ended - period.began })
    }
  }

  /** The faults that were there at some moment from `since` on. */
  during(since: number): ReadonlySet<FaultKind> {
    return new Set(this.#periods.filter(({ ended }) => ended >= since).map(({ kind }) => kind))
  }

  get active(): ReadonlySet<FaultKind> {
    return this.during(performance.now())
  }

  /** Number and milliseconds of the faults that have ended. */
  get totals(): ReadonlyMap<FaultKind, { readonly count: number; readonly ms: number }> {
    return this.#totals
  }
}

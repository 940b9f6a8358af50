/** A step forward of the system's clock beyond this is noticed, in nanoseconds: less is how clocks are kept right. */
const STEP_NS = 60_000_000_000n

/** How many of the last steps are remembered. */
const MAX_STEPS = 100

/**
 * The time of the registry, in nanoseconds since 1970. It is never the same twice and never goes back, so that what is
 * ordered by it has one order, also when the clock of the system is put back, and after a restart (`startAfter`).
 *
 * It is the system's time, unless that is behind it. Then it goes on at half speed until the system's time has caught
 * up: it does not stand still, because periods are measured with it, and a date that is wrong is right again some time.
 */
export class Clock {
  #last = 0n
  /** When `#last` was, by `running`. */
  #run = 0n
  /** How far the time went forward in one step, and what it was then. */
  readonly #steps: { readonly at: bigint; readonly by: bigint }[] = []

  now(): bigint {
    const run = this.running()
    // The wall clock ends at milliseconds; the digits below it only keep neighbours apart.
    const system = this.system() + (run % 1_000_000n)
    const ran = run - this.#run
    const step = system - this.#last - ran
    if (this.#last > 0n && step > STEP_NS) this.#note(system, step)
    const slow = this.#last + ran / 2n
    this.#last = system > slow ? system : slow > this.#last ? slow : this.#last + 1n
    this.#run = run
    return this.#last
  }

  /** The time by the system's clock, which may go back, such as the times of files. */
  system(): bigint {
    return BigInt(Date.now()) * 1_000_000n
  }

  /** The time since some moment, by a clock that nobody sets. */
  running(): bigint {
    return process.hrtime.bigint()
  }

  /** How long before `now` that was. Steps forward in between are left out, if they were made while this process ran. */
  since(time: bigint, now = this.now()): bigint {
    return this.#steps.reduce((passed, { at, by }) => (at > time ? passed - by : passed), now - time)
  }

  /** Goes on after a time that was told before a restart. Returns how far the system's clock is behind it, 0 if it is not. */
  startAfter(time: bigint): bigint {
    const system = this.system()
    // From here on what is between two times is what has passed, or a step; not the time in which nothing ran.
    for (const known of [time, system]) if (known > this.#last) this.#last = known
    this.#run = this.running()
    return time > system ? time - system : 0n
  }

  #note(at: bigint, by: bigint): void {
    this.#steps.push({ at, by })
    if (this.#steps.length > MAX_STEPS) this.#steps.shift()
  }
}

/** RFC 3339 in UTC with nine digits, `2024-03-22T18:14:53.402258600Z`. */
export function rfc3339(nanos: bigint): string {
  return `${naive(nanos, nanos % 1_000_000_000n, 9)}Z`
}

/**
 * The form that chrono's NaiveDateTime writes: UTC without a zone, and none, three, six or nine digits,
 * as few as tell the value.
 */
export function naiveDateTime(nanos: bigint): string {
  const fraction = nanos % 1_000_000_000n
  const digits = fraction === 0n ? 0 : fraction % 1_000_000n === 0n ? 3 : fraction % 1_000n === 0n ? 6 : 9
  return naive(nanos, fraction, digits)
}

/** Nanoseconds of an RFC 3339 time between 1970 and 2262 (the span of 64 bits), or undefined for anything else. */
export function parseRfc3339(text: string): bigint | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/i.exec(text)
  if (!match || !isTime(`${match[1]}`.toUpperCase())) return undefined
  const millis = Date.parse(`${match[1]}${match[3]}`.toUpperCase())
  if (!(millis >= 0)) return undefined
  const nanos = BigInt(millis) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'))
  return nanos < 2n ** 63n ? nanos : undefined
}

/** Date.parse takes 30 February for 1 March, and 24:00 for the next day. */
function isTime(local: string): boolean {
  const millis = Date.parse(`${local}Z`)
  return !Number.isNaN(millis) && new Date(millis).toISOString().startsWith(local)
}

function naive(nanos: bigint, fraction: bigint, digits: number): string {
  const seconds = new Date(Number(nanos / 1_000_000n)).toISOString().slice(0, 19)
  return digits === 0 ? seconds : `${seconds}.${fraction.toString().padStart(9, '0').slice(0, digits)}`
}

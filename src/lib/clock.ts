/** Nanoseconds since 1970, never the same twice in a process, so that what is ordered by time has one order. */
export class Clock {
  #last = 0n

  now(): bigint {
    // The wall clock ends at milliseconds; the digits below it only keep neighbours apart.
    const now = BigInt(Date.now()) * 1_000_000n + (process.hrtime.bigint() % 1_000_000n)
    this.#last = now > this.#last ? now : this.#last + 1n
    return this.#last
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

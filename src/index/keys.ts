import type { Scan } from './contract.ts'

/** Between the parts of a key; no part contains it: names, tags and digests by their grammar, plugin names by policy. */
const SEPARATOR = '\0'

export function encodeKey(prefix: string, parts: readonly string[]): string {
  return [prefix, ...parts].join(SEPARATOR)
}

/** The parts behind the prefix. */
export function decodeKey(key: string): string[] {
  return key.split(SEPARATOR).slice(1)
}

/** An encoded key for the eye. */
export function describeKey(key: string): string {
  return key.replaceAll(SEPARATOR, ' ')
}

/** Bounds of all keys that begin with these whole parts, then with `partial`; `after` leaves out what is not behind that part. */
export function keyRange(
  prefix: string,
  parts: readonly string[],
  { after, partial = '' }: Scan = {},
): { gte: string; lt: string } {
  const stem = encodeKey(prefix, [...parts, partial])
  // \x01 is the least character behind the separator, and no key has it: it ends what goes on from a whole part.
  return {
    gte:
      after === undefined || bytewise(after, partial) < 0
        ? stem
        : `${encodeKey(prefix, [...parts, after])}\x01`,
    lt: partial === '' ? `${encodeKey(prefix, parts)}\x01` : `${stem}\u{10ffff}`,
  }
}

const SURROGATE = /[\ud800-\udfff]/

/** The order of the index, which is that of the bytes in UTF-8. Code units have the same order unless there are surrogates. */
export function bytewise(a: string, b: string): number {
  if (SURROGATE.test(a) || SURROGATE.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b))
  if (a === b) return 0
  return a < b ? -1 : 1
}

const MAX_I32 = 2 ** 31 - 1
const MAX_I64 = 2n ** 63n - 1n

/** Fixed-width digits that sort a larger i32 first. */
export function descendingI32(n: number): string {
  return (MAX_I32 - n).toString(16).padStart(8, '0')
}

/** Fixed-width digits that sort later nanoseconds first. */
export function descendingNanos(nanos: bigint): string {
  return (MAX_I64 - nanos).toString(16).padStart(16, '0')
}

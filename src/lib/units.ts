/** What messages call what `parseSize` and `parseDuration` take. */
export const SIZE = 'a size such as 500KiB, 20MiB or 10GiB'
export const DURATION = 'a duration such as 30m, 24h or 7d'

const UNITS: Record<string, number> = { '': 1, B: 1, KIB: 2 ** 10, MIB: 2 ** 20, GIB: 2 ** 30, TIB: 2 ** 40 }
const SPANS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Bytes, of a number and a unit. */
export function parseSize(text: string): number | undefined {
  const [, count, unit = ''] = /^(\d{1,12})\s*([KMGT]?I?B?)$/i.exec(text) ?? []
  const size = Number(count) * (UNITS[unit.toUpperCase()] ?? Number.NaN)
  return size > 0 && Number.isSafeInteger(size) ? size : undefined
}

/** Milliseconds, of a number and a unit. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  const span = Number(count) * (SPANS[unit] ?? Number.NaN)
  return span > 0 ? span : undefined
}

/** Milliseconds as `parseDuration` reads them, in the largest unit that divides them; `0` is 0. */
export function formatDuration(millis: number): string {
  if (millis === 0) return '0'
  const [unit, span] = Object.entries(SPANS)
    .reverse()
    .find(([, span]) => millis % span === 0) ?? ['ms', 1]
  return `${millis / span}${unit}`
}

/** As `parseDuration`, and 0. */
export function parseDurationOrZero(text: string): number | undefined {
  return text === '0' ? 0 : parseDuration(text)
}

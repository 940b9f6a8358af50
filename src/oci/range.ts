import { RegistryError } from './errors.ts'

/** Both ends inclusive, in bytes. */
export interface Range {
  readonly start: number
  readonly end: number
}

/** podman asks for so many ranges at most (containers/storage, maxNumberMissingChunks), and tries no fewer after a 416. */
const MAX_RANGES = 1024

/**
 * The ranges that a Range header asks for (RFC 9110, 14.2), in its order, cut to the content. Undefined if the whole is
 * to be sent: there is no header, or it is malformed or of another unit. Ranges outside of the content are left out.
 * Throws `RANGE_INVALID` with the Content-Range of RFC 9110, 15.5.17, if none is left, if one ends before it begins, as
 * the conformance suite of the distribution-spec wants it, and if they overlap or are too many (RFC 9110, 17.15).
 */
export function parseRanges(header: string | undefined, size: number): readonly Range[] | undefined {
  const [, set] = /^bytes=(.*)$/i.exec(header?.trim() ?? '') ?? []
  if (set === undefined) return undefined
  // RFC 9110, 5.6.1.2: empty elements of a list are ignored.
  const texts = set.split(',').flatMap(text => text.trim() || [])
  if (texts.length > MAX_RANGES)
    throw invalid(size, `ask for ${MAX_RANGES} ranges at most, and not for ${texts.length}`)
  const specs = texts.map(text => /^(\d*)-(\d*)$/.exec(text))
  if (specs.length === 0 || !specs.every(isSpec)) return undefined
  // 14.1.2: a suffix of something can be satisfied, also of no content; that is no range that a response could state.
  if (size === 0 && specs.some(([, first, last]) => first === '' && Number(last) > 0)) return undefined
  if (specs.some(([, first, last]) => first && last && Number(first) > Number(last)))
    throw invalid(size, 'a range ends before it begins')
  const ranges = specs
    .map(([, first = '', last = '']) =>
      first === ''
        ? { start: Math.max(0, size - Number(last)), end: size - 1 }
        : { start: Number(first), end: Math.min(size - 1, last === '' ? size - 1 : Number(last)) },
    )
    .filter(({ start, end }) => start <= end)
  if (ranges.length === 0) throw invalid(size)
  const ordered = ranges.toSorted((a, b) => a.start - b.start)
  if (ordered.some(({ start }, i) => start <= (ordered[i - 1]?.end ?? -1)))
    throw invalid(size, 'the ranges overlap: ask for each byte once')
  return ranges
}

function isSpec(match: RegExpExecArray | null): match is RegExpExecArray {
  return match !== null && match[0] !== '-'
}

function invalid(size: number, message?: string): RegistryError {
  return new RegistryError('RANGE_INVALID', {
    ...(message && { message }),
    detail: { size },
    headers: { 'Content-Range': `bytes */${size}` },
  })
}

/** The Content-Range of an upload's chunk, `first-last` (distribution-spec, Pushing a blob in chunks). Throws `BLOB_UPLOAD_INVALID`. */
export function parseChunkRange(header: string): Range {
  const match = /^(\d{1,15})-(\d{1,15})$/.exec(header)
  const range = { start: Number(match?.[1]), end: Number(match?.[2]) }
  if (!match || range.end < range.start) {
    throw new RegistryError('BLOB_UPLOAD_INVALID', {
      message: 'the Content-Range of a chunk is <first byte>-<last byte>',
      detail: { 'Content-Range': header.slice(0, 100) },
    })
  }
  return range
}

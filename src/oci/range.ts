import { RegistryError } from './errors.ts'

/** Both ends inclusive, in bytes. */
interface Range {
  readonly start: number
  readonly end: number
}

/**
 * The one range that a Range header asks for (RFC 9110, 14.2), cut to the content.
 * Undefined where the whole is to be sent: no header, another unit, malformed, or several ranges (14.2 allows to ignore them).
 * One that ends before it begins is rejected (14.2), as the conformance suite of the distribution-spec wants it.
 * Throws `RANGE_INVALID` with the Content-Range of RFC 9110, 15.5.17, where nothing of the content is in it.
 */
export function parseRange(header: string | undefined, size: number): Range | undefined {
  const match = /^bytes=(\d*)-(\d*)$/i.exec(header?.trim() ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return undefined
  const [, first = '', last = ''] = match
  // 14.1.2: a suffix of something can be satisfied, also of no content; that is no range that could be told.
  if (size === 0 && first === '' && Number(last) > 0) return undefined
  const range =
    first === ''
      ? { start: Math.max(0, size - Number(last)), end: size - 1 }
      : { start: Number(first), end: Math.min(size - 1, last === '' ? size - 1 : Number(last)) }
  if (range.start > range.end || (first === '' && Number(last) === 0)) {
    throw new RegistryError('RANGE_INVALID', {
      detail: { size },
      headers: { 'Content-Range': `bytes */${size}` },
    })
  }
  return range
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

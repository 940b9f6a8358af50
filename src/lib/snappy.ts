/**
 * Unpacks what Snappy has packed (google/snappy, format_description.txt).
 * Throws a RangeError where that is none, or more than `max` bytes.
 */
export function unsnappy(packed: Buffer, max: number): Buffer {
  let at = 0
  let size = 0
  for (let shift = 0; ; shift += 7) {
    const byte = packed.readUInt8(at++)
    size += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) break
  }
  if (size > max) throw new RangeError(`${size} bytes are more than ${max}`)
  const out = Buffer.alloc(size)
  let end = 0
  while (at < packed.length) {
    const tag = packed.readUInt8(at++)
    const long = tag >> 2
    if ((tag & 3) === 0) {
      // A literal; a length above 60 is in the next one to four bytes.
      const more = Math.max(0, long - 59)
      const length = (more > 0 ? packed.readUIntLE(at, more) : long) + 1
      at += more
      if (at + length > packed.length || end + length > size) throw new RangeError('a literal is too long')
      end += packed.copy(out, end, at, at + length)
      at += length
      continue
    }
    const kind = tag & 3
    const length = kind === 1 ? (long & 7) + 4 : long + 1
    const back = kind === 1 ? (tag >> 5) * 256 + packed.readUInt8(at) : packed.readUIntLE(at, 2 * (kind - 1))
    at += kind === 1 ? 1 : 2 * (kind - 1)
    if (back === 0 || back > end || end + length > size) throw new RangeError('a copy is too long')
    // By bytes: what is copied may be what the copy itself writes.
    for (let i = 0; i < length; i++, end++) out[end] = out[end - back] as number
  }
  if (end !== size) throw new RangeError(`${end} bytes are not ${size}`)
  return out
}

/** Of CRC-32C (RFC 3720, appendix B.4), bits reversed. */
const POLYNOMIAL = 0x82f63b78

/** What a byte does to the sum where so many bytes follow in the same step. */
const [T0, T1, T2, T3, T4, T5, T6, T7] = tables()

/** The CRC-32C of the bytes, as an unsigned number; node:zlib has another polynomial only. */
export function crc32c(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const steps = bytes.length & ~7
  let sum = -1
  for (let i = 0; i < steps; i += 8) {
    const a = sum ^ view.getInt32(i, true)
    const b = view.getInt32(i + 4, true)
    sum =
      of(T7, a) ^
      of(T6, a >>> 8) ^
      of(T5, a >>> 16) ^
      of(T4, a >>> 24) ^
      of(T3, b) ^
      of(T2, b >>> 8) ^
      of(T1, b >>> 16) ^
      of(T0, b >>> 24)
  }
  for (let i = steps; i < bytes.length; i++) sum = (sum >>> 8) ^ of(T0, sum ^ view.getUint8(i))
  return ~sum >>> 0
}

/** The entry of the lowest byte. */
function of(table: Int32Array, value: number): number {
  return table[value & 0xff] as number
}

function tables() {
  const first = Int32Array.from({ length: 256 }, (_, byte) => {
    let sum = byte
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ POLYNOMIAL : sum >>> 1
    return sum
  })
  const all = [first]
  while (all.length < 8) all.push((all.at(-1) as Int32Array).map(sum => (sum >>> 8) ^ of(first, sum)))
  type T = Int32Array
  return all as [T, T, T, T, T, T, T, T]
}

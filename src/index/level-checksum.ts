import { crc32c } from '../lib/crc32c.ts'

/** Whether the bytes have this checksum, in the form in which LevelDB stores it (table_format.md, crc32c.h). */
export function hasChecksum(bytes: Uint8Array, stored: number): boolean {
  const sum = crc32c(bytes)
  return (((sum >>> 15) | (sum << 17)) + 0xa282ead8) >>> 0 === stored
}

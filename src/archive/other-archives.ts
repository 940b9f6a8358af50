/** First bytes of archives and compressed files, as latin1, and what they are. Not of tar and gzip. */
const MAGICS: readonly (readonly [magic: string, kind: string])[] = [
  ['PK\x03\x04', 'a zip'],
  ['PK\x05\x06', 'a zip'],
  ['PK\x07\x08', 'a zip'],
  ['\xfd7zXZ\0', 'an xz'],
  ['\x5d\0\0', 'an lzma'],
  ['LZIP', 'an lzip'],
  ['\x28\xb5\x2f\xfd', 'a zstd'],
  ['BZh', 'a bzip2'],
  ['\x04\x22\x4d\x18', 'an lz4'],
  ['\x02\x21\x4c\x18', 'an lz4'],
  ['\x89LZO\0', 'an lzop'],
  ['\xce\xb2\xcf\x81', 'a brotli'],
  ['\x1f\x9d', 'a compress'],
  ['\x1f\xa0', 'a compress'],
  ['7z\xbc\xaf\x27\x1c', 'a 7z'],
  ['Rar!\x1a\x07', 'a rar'],
  ['070701', 'a cpio'],
  ['070702', 'a cpio'],
  ['070707', 'a cpio'],
  ['\xc7\x71', 'a cpio'],
  ['!<arch>\n', 'an ar'],
  ['MSCF', 'a cabinet'],
  ['xar!', 'a xar'],
  ['hsqs', 'a squashfs'],
  ['\xed\xab\xee\xdb', 'an rpm'],
]

/** Frames that zstd and lz4 pass over: 0x184D2A50 to 0x184D2A5F, little endian (RFC 8878, 3.1.2). */
const SKIPPABLE = /^[\x50-\x5f]\x2a\x4d\x18/

const CHECKSUM_AT = 148

/** What a file is by its first 512 bytes, with an article, if it is packed in a known way other than tar and gzip. */
export function otherArchiveOf(head: Buffer): string | undefined {
  const text = head.toString('latin1')
  const known = MAGICS.find(([magic]) => text.startsWith(magic))
  if (known) return known[1]
  if (SKIPPABLE.test(text)) return 'a zstd'
  return isOldTar(head) ? 'a tar of before POSIX' : undefined
}

/** The tar of Unix version 7 has no magic, only the sum of its header. */
function isOldTar(head: Buffer): boolean {
  const [, digits] =
    /^[ \0]*([0-7]+)[ \0]*$/.exec(head.toString('latin1', CHECKSUM_AT, CHECKSUM_AT + 8)) ?? []
  if (digits === undefined || head.length < 512) return false
  let sum = 8 * 0x20
  for (const [at, byte] of head.entries()) if (at < CHECKSUM_AT || at >= CHECKSUM_AT + 8) sum += byte
  return sum === Number.parseInt(digits, 8)
}

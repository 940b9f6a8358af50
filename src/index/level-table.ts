import { unsnappy } from '../lib/snappy.ts'
import { hasChecksum } from './level-checksum.ts'
import { Varints } from './level-varint.ts'

/** At the end of a table file (table_format.md): where its index and its list of filters are. */
const FOOTER = 48
const MAGIC = Buffer.from('57fb808b247547db', 'hex')

/** Behind each block: how it is packed, and the checksum of both. */
const TRAILER = 5
const SNAPPY = 1

/** The index of a table of 2 MiB has a few kilobytes; of one with rows of 4 MiB, no more. */
const MAX_INDEX = 64 * 1024 * 1024

/** Whether every block of the table file is as LevelDB wrote it. */
export function isWholeTable(table: Buffer): boolean {
  try {
    const footer = table.subarray(-FOOTER)
    if (footer.length < FOOTER || !footer.subarray(-MAGIC.length).equals(MAGIC)) return false
    const handles = new Varints(footer)
    for (const list of [blockAt(table, handles), blockAt(table, handles)]) {
      for (const handle of valuesIn(list)) blockAt(table, new Varints(handle))
    }
    return true
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

/** Throws a RangeError where the block is not whole. */
function blockAt(table: Buffer, handle: Varints): { bytes: Buffer; packed: boolean } {
  const [start, size] = [handle.number(), handle.number()]
  const end = start + size
  if (end + TRAILER > table.length) throw new RangeError('a block runs out of its file')
  if (!hasChecksum(table.subarray(start, end + 1), table.readUInt32LE(end + 1)))
    throw new RangeError('a block has another checksum')
  return { bytes: table.subarray(start, end), packed: table[end] === SNAPPY }
}

/** The values of a block of keys and values: how much a key has of the one before, its rest, and the value. */
function* valuesIn({ bytes, packed }: { bytes: Buffer; packed: boolean }): Iterable<Buffer> {
  const block = packed ? unsnappy(bytes, MAX_INDEX) : bytes
  const restarts = block.readUInt32LE(block.length - 4)
  const entries = new Varints(block.subarray(0, Math.max(0, block.length - 4 * (restarts + 1))))
  while (!entries.done) {
    entries.number()
    const [rest, length] = [entries.number(), entries.number()]
    entries.take(rest)
    yield entries.take(length)
  }
}

import type { Bytes } from '../lib/bytes.ts'
import { PluginError } from './error.ts'

// <mach-o/fat.h>: always big-endian.

/** Where a Java class has its version, which is 45 at least, a fat file has the number of its slices: two or three. */
export const MAX_SLICES = 16

/** Each architecture's part of a universal binary, in the order of the header. */
export function slices(file: Bytes): Bytes[] {
  const wide = file.u32be(0) === 0xcafebabf
  const count = file.u32be(4)
  if (count > MAX_SLICES) throw new PluginError('not-supported', `the file has ${count} slices`)
  const size = wide ? 32 : 20
  const table = file.slice(8, count * size, 'the table of slices')
  const ranges = []
  for (let at = 0; at < table.size; at += size) {
    ranges.push(
      wide
        ? { offset: table.u64be(at + 8), length: table.u64be(at + 16) }
        : { offset: table.u32be(at + 8), length: table.u32be(at + 12) },
    )
  }
  // Else a small file could ask for the work of many large ones.
  let end = 8 + table.size
  for (const { offset, length } of ranges.toSorted((a, b) => a.offset - b.offset)) {
    if (offset < end) throw new PluginError('not-executable', 'the slices of the file overlap')
    end = offset + length
  }
  return ranges.map(({ offset, length }) => file.slice(offset, length, 'a slice'))
}

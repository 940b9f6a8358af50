import type { Bytes } from '../../lib/bytes.ts'
import { PluginError } from '../error.ts'
import { readName } from './text.ts'

/** A version of a library's interface that must be there: `GLIBC_2.34` of `libc.so.6`. */
export interface VersionNeed {
  readonly library: string
  readonly version: string
}

// LSB, "Symbol Versioning", Elfxx_Verneed and Elfxx_Vernaux; the offsets are the same in both classes.
const VER_FLG_WEAK = 2

// A library that needs a few hundred versions is a large one.
const MAX_NEEDS = 4096

/** What DT_VERNEED leads to; without what is weak, which the loader does not insist on. */
export function readVersionNeeds(table: Bytes, names: Bytes): VersionNeed[] {
  const needs: VersionNeed[] = []
  let left = MAX_NEEDS
  const spend = () => {
    if (left-- === 0) throw new PluginError('not-supported', `the file needs more than ${MAX_NEEDS} versions`)
  }
  for (let at = 0; ; ) {
    const library = readName(names, table.u32(at + 4), 'the library of a version')
    const count = table.u16(at + 2)
    for (let i = 0, auxiliary = at + table.u32(at + 8); i < count; i++) {
      spend()
      const weak = (table.u16(auxiliary + 4) & VER_FLG_WEAK) !== 0
      if (!weak) needs.push({ library, version: readName(names, table.u32(auxiliary + 8), 'a version') })
      const next = table.u32(auxiliary + 12)
      if (next === 0) break
      auxiliary += next
    }
    spend()
    const next = table.u32(at + 12)
    if (next === 0) return needs
    at += next
  }
}

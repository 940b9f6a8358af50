import type { Bytes } from '../lib/bytes.ts'
import { PluginError } from './error.ts'
import type { Segment } from './segments.ts'

// Microsoft, PE Format: "COFF File Header", "Optional Header (Image Only)", "Section Table".

const SIGNATURE = 0x4550 // PE\0\0

/** Fields of the optional header that differ between PE32 and PE32+, by its magic number. */
const LAYOUTS: ReadonlyMap<number, { pointerSize: 4 | 8; imageBase: number; directories: number }> = new Map([
  [0x10b, { pointerSize: 4, imageBase: 28, directories: 96 }],
  [0x20b, { pointerSize: 8, imageBase: 24, directories: 112 }],
])

/** Which entry of the data directories is what. */
export const DIRECTORY = { EXPORT: 0, IMPORT: 1, SECURITY: 4, DEBUG: 6, DELAY_IMPORT: 13 } as const

export interface PeHeaders {
  readonly machine: number
  /** Where the COFF header is. */
  readonly coff: number
  /** Where the optional header is. */
  readonly optional: number
  readonly pointerSize: 4 | 8
  readonly imageBase: number
  readonly sections: readonly Segment[]
  /** Address (RVA; of the security directory a file offset) and size; both 0 where the file has no such directory. */
  directory(index: number): { readonly address: number; readonly size: number }
}

export function readPeHeaders(file: Bytes): PeHeaders {
  const header = file.u32(0x3c)
  if (file.u32(header) !== SIGNATURE) throw new PluginError('not-executable', 'the MZ file has no PE header')
  const coff = header + 4
  const optional = header + 24
  const layout = LAYOUTS.get(file.u16(optional))
  if (!layout) throw new PluginError('not-executable', 'the optional header is neither PE32 nor PE32+')
  const directories = optional + layout.directories
  const count = file.u32(directories - 4)
  return {
    machine: file.u16(coff),
    coff,
    optional,
    pointerSize: layout.pointerSize,
    imageBase: file.word(optional + layout.imageBase, layout.pointerSize),
    sections: readSections(file, optional + file.u16(header + 20), file.u16(header + 6)),
    directory: index =>
      index < count
        ? { address: file.u32(directories + index * 8), size: file.u32(directories + index * 8 + 4) }
        : { address: 0, size: 0 },
  }
}

function readSections(file: Bytes, at: number, count: number): Segment[] {
  const table = file.slice(at, count * 40, 'the section table')
  const segments = []
  for (let at = 0; at < table.size; at += 40) {
    const [virtualSize, rawSize] = [table.u32(at + 8), table.u32(at + 16)]
    segments.push({
      address: table.u32(at + 12),
      offset: table.u32(at + 20),
      // Old linkers leave the virtual size zero; and the raw size is rounded up.
      size: virtualSize === 0 ? rawSize : Math.min(virtualSize, rawSize),
    })
  }
  return segments
}

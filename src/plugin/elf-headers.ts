import type { Bytes } from '../lib/bytes.ts'
import { PluginError } from './error.ts'

// System V gABI, chapter 4 (ELF header, sections) and 5 (program headers, dynamic section).

/** Offsets of fields and sizes of entries, by the size of a pointer. */
const LAYOUTS = {
  4: {
    header: {
      phoff: 0x1c,
      shoff: 0x20,
      phentsize: 0x2a,
      phnum: 0x2c,
      shentsize: 0x2e,
      shnum: 0x30,
      shstrndx: 0x32,
    },
    program: { size: 32, offset: 4, vaddr: 8, filesz: 16, flags: 24, align: 28 },
    section: { size: 40, offset: 16, length: 20 },
  },
  8: {
    header: {
      phoff: 0x20,
      shoff: 0x28,
      phentsize: 0x36,
      phnum: 0x38,
      shentsize: 0x3a,
      shnum: 0x3c,
      shstrndx: 0x3e,
    },
    program: { size: 56, offset: 8, vaddr: 16, filesz: 32, flags: 4, align: 48 },
    section: { size: 64, offset: 24, length: 32 },
  },
} as const

/** An entry of the program header table: what the loader maps, or looks at. */
export interface ProgramHeader {
  readonly type: number
  readonly flags: number
  readonly offset: number
  readonly address: number
  /** In the file. */
  readonly size: number
  readonly align: number
}

/** An entry of the section header table: for linkers and debuggers, and often not there. */
export interface Section {
  readonly type: number
  /** Where its name is in the section that the header calls shstrndx. */
  readonly name: number
  readonly offset: number
  readonly size: number
}

/** The size of a pointer, by the class. Throws `PluginError` for what no reader here can read. */
export function pointerSizeOf(file: Bytes): 4 | 8 {
  const [elfClass, encoding] = [file.u8(4), file.u8(5)]
  if (encoding === 2) throw new PluginError('not-supported', 'the file is big-endian')
  if (encoding !== 1)
    throw new PluginError('not-executable', `the file has an unknown data encoding, ${encoding}`)
  if (elfClass !== 1 && elfClass !== 2) {
    throw new PluginError('not-executable', `the file is of an unknown ELF class, ${elfClass}`)
  }
  return elfClass === 1 ? 4 : 8
}

export function* programHeaders(file: Bytes, word: 4 | 8): Generator<ProgramHeader> {
  const { header, program } = LAYOUTS[word]
  const count = file.u16(header.phnum)
  if (count > 0 && file.u16(header.phentsize) !== program.size) {
    throw new PluginError('not-executable', 'the program headers have an unknown size')
  }
  const offset = file.word(header.phoff, word)
  const table = file.slice(offset, count * program.size, 'the program header table')
  for (let at = 0; at < table.size; at += program.size) {
    yield {
      type: table.u32(at),
      flags: table.u32(at + program.flags),
      offset: table.word(at + program.offset, word),
      address: table.word(at + program.vaddr, word),
      size: table.word(at + program.filesz, word),
      align: table.word(at + program.align, word),
    }
  }
}

/** The sections, and which of them has their names; none where they were stripped. */
export function readSections(file: Bytes, word: 4 | 8): { sections: Section[]; names: Section | undefined } {
  const { header, section } = LAYOUTS[word]
  const offset = file.word(header.shoff, word)
  const count = file.u16(header.shnum)
  if (offset === 0 || count === 0) return { sections: [], names: undefined }
  if (file.u16(header.shentsize) !== section.size) {
    throw new PluginError('not-executable', 'the section headers have an unknown size')
  }
  const table = file.slice(offset, count * section.size, 'the section header table')
  const sections: Section[] = []
  for (let at = 0; at < table.size; at += section.size) {
    sections.push({
      name: table.u32(at),
      type: table.u32(at + 4),
      offset: table.word(at + section.offset, word),
      size: table.word(at + section.length, word),
    })
  }
  return { sections, names: sections[file.u16(header.shstrndx)] }
}

// Each library that is needed has one; programs with hundreds of them are known, with thousands not.
const MAX_DYNAMIC = 4096

/** The entries of a dynamic section, as far as the loader reads them. */
export function* dynamicEntries(table: Bytes, word: 4 | 8): Generator<{ tag: number; value: number }> {
  for (let at = 0; at + 2 * word <= table.size; at += 2 * word) {
    const tag = table.word(at, word)
    if (tag === 0) return
    if (at / (2 * word) >= MAX_DYNAMIC)
      throw new PluginError('not-supported', `the dynamic section has more than ${MAX_DYNAMIC} entries`)
    yield { tag, value: table.word(at + word, word) }
  }
}

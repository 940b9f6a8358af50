import type { Bytes } from '../../lib/bytes.ts'
import {
  dynamicEntries,
  type ProgramHeader,
  pointerSizeOf,
  programHeaders,
  readSections,
} from '../elf-headers.ts'
import type { FormatFacts } from '../facts.ts'
import { Segments } from '../segments.ts'
import type { Attempts } from './attempts.ts'
import { elfLibc } from './elf-libc.ts'
import { type Note, readNotes } from './elf-notes.ts'
import { readVersionNeeds, type VersionNeed } from './elf-versions.ts'
import { libraryNames, printableTexts, readName } from './text.ts'

// System V gABI, chapters 4 and 5; what begins with GNU: the gABI's GNU extensions and <elf.h> of glibc.

const ET_DYN = 3

const PT_LOAD = 1
const PT_DYNAMIC = 2
const PT_INTERP = 3
const PT_NOTE = 4
const PT_GNU_STACK = 0x6474e551
const PT_GNU_RELRO = 0x6474e552
const PF_X = 1

const DT_NEEDED = 1
const DT_STRTAB = 5
const DT_STRSZ = 10
const DT_BIND_NOW = 24
const DT_FLAGS = 30
const DT_FLAGS_1 = 0x6ffffffb
const DT_VERNEED = 0x6ffffffe
const DF_BIND_NOW = 0x8
const DF_1_NOW = 0x1

const SHT_SYMTAB = 2

const NT_GNU_ABI_TAG = 1
const NT_GNU_BUILD_ID = 3
const ABI_SYSTEMS = ['linux', 'hurd', 'solaris', 'freebsd']

// Each is a line that a compiler wrote about itself.
const MAX_COMMENT = 64 * 1024
const MAX_TOOLS = 16
// What the loader reads of a binary is a few dozen bytes.
const MAX_NOTES = 16

/** What an ELF file says about itself; section headers are used only for what is nowhere else. */
export function elfFacts(file: Bytes, attempts: Attempts): FormatFacts {
  const word = pointerSizeOf(file)
  const programs = [...programHeaders(file, word)]
  const of = (type: number) => programs.filter(program => program.type === type)
  const segments = new Segments(file, of(PT_LOAD))
  const notes = of(PT_NOTE)
    .slice(0, MAX_NOTES)
    .flatMap(program => attempts.make(() => readNotes(file, program)) ?? [])
  const dynamic = attempts.make(() => readDynamic(file, segments, of(PT_DYNAMIC)[0], word))
  const versions = attempts.make(() => dynamic?.versions())
  const [interp] = of(PT_INTERP)
  const interpreter = interp && attempts.make(() => readName(file, interp.offset, 'the interpreter'))
  const libraries = attempts.make(() => dynamic?.libraries())
  const [stack] = of(PT_GNU_STACK)
  const sections = attempts.make(() => readSections(file, word))
  return {
    ...(libraries && { libraries, optional_libraries: [] }),
    libc:
      libraries && versions ? elfLibc({ libraries, versions, interpreter, notes }) : { family: 'unknown' },
    ...minimumOs(notes),
    toolchain: attempts.make(() => comments(file, sections)) ?? [],
    ...(sections && {
      stripped: !sections.sections.some(({ type, size }) => type === SHT_SYMTAB && size > 0),
      section_headers: sections.sections.length > 0,
    }),
    hardening: {
      pie: file.u16(0x10) === ET_DYN,
      nx: stack ? (stack.flags & PF_X) === 0 : 'unknown',
      relro: dynamic ? relroOf(of(PT_GNU_RELRO).length > 0, dynamic.bindNow) : 'unknown',
    },
    ...buildId(notes),
  }
}

/** Relocated data is made read-only: all of it only where every symbol is bound when the file is loaded. */
function relroOf(present: boolean, bindNow: boolean): 'none' | 'partial' | 'full' {
  if (!present) return 'none'
  return bindNow ? 'full' : 'partial'
}

interface Dynamic {
  readonly bindNow: boolean
  libraries(): string[]
  versions(): VersionNeed[]
}

function readDynamic(
  file: Bytes,
  segments: Segments,
  program: ProgramHeader | undefined,
  word: 4 | 8,
): Dynamic {
  const last = new Map<number, number>()
  const needed: number[] = []
  const table = program ? file.slice(program.offset, program.size, 'the dynamic section') : undefined
  for (const { tag, value } of table ? dynamicEntries(table, word) : []) {
    last.set(tag, value)
    if (tag === DT_NEEDED) needed.push(value)
  }
  const has = (tag: number, flag: number) => ((last.get(tag) ?? 0) & flag) !== 0
  const names = () =>
    segments.read(last.get(DT_STRTAB) ?? 0, last.get(DT_STRSZ) ?? 0, 'the dynamic string table')
  return {
    bindNow: last.has(DT_BIND_NOW) || has(DT_FLAGS, DF_BIND_NOW) || has(DT_FLAGS_1, DF_1_NOW),
    libraries: () => {
      if (needed.length === 0) return []
      const table = names()
      return libraryNames(needed.map(at => readName(table, at, 'the name of a needed library')))
    },
    versions: () => {
      const address = last.get(DT_VERNEED)
      return address === undefined
        ? []
        : readVersionNeeds(segments.from(address, 'the version needs'), names())
    },
  }
}

/** LSB, "Note Section": .note.ABI-tag is the system and the earliest version of its kernel that the file works on. */
function minimumOs(notes: readonly Note[]): Pick<FormatFacts, 'minimum_os'> {
  const tag = notes.find(
    ({ name, type, content }) => name === 'GNU' && type === NT_GNU_ABI_TAG && content.size >= 16,
  )
  if (!tag) return {}
  const [system, ...version] = [0, 4, 8, 12].map(at => tag.content.u32(at))
  const name = ABI_SYSTEMS[system ?? -1]
  return name === undefined ? {} : { minimum_os: { name, version: version.join('.') } }
}

function buildId(notes: readonly Note[]): Pick<FormatFacts, 'build_id'> {
  const note = notes.find(({ name, type }) => name === 'GNU' && type === NT_GNU_BUILD_ID)
  const id = note?.content.hex(64)
  return id ? { build_id: { kind: 'gnu', id } } : {}
}

/** The lines of .comment, each once: GCC, clang, rustc and lld sign there. */
function comments(file: Bytes, found: ReturnType<typeof readSections> | undefined): string[] {
  const names = found?.names
  if (!names) return []
  const table = file.slice(names.offset, names.size, 'the names of the sections')
  const section = found.sections.find(({ name }) => table.startsWith('.comment\0', name))
  if (!section) return []
  const content = file.slice(section.offset, section.size, 'the .comment section')
  return [...new Set(printableTexts(content.latin1(0, MAX_COMMENT)))].slice(0, MAX_TOOLS)
}

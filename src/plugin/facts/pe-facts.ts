import type { Bytes } from '../../lib/bytes.ts'
import { PluginError } from '../error.ts'
import type { FormatFacts, LibcFamily } from '../facts.ts'
import { DIRECTORY, type PeHeaders, readPeHeaders } from '../pe-headers.ts'
import { Segments } from '../segments.ts'
import type { Attempts } from './attempts.ts'
import { libraryNames, readName } from './text.ts'
import { compareVersions } from './version.ts'

// Microsoft, PE Format: "Optional Header Windows-Specific Fields", "DLL Characteristics", "Import Directory Table",
// "Delay-Load Directory Table", "The .debug Section".

const DLL_CHARACTERISTICS = { HIGH_ENTROPY_VA: 0x20, DYNAMIC_BASE: 0x40, NX_COMPAT: 0x100, GUARD_CF: 0x4000 }

const IMAGE_DEBUG_TYPE_CODEVIEW = 2
const RSDS = 0x53445352

// An entry for each library, or several, as some linkers make them.
const MAX_ENTRIES = 1024
const MAX_DEBUG_ENTRIES = 64

/** What a DLL says about itself. */
export function peFacts(file: Bytes, attempts: Attempts): FormatFacts {
  const headers = readPeHeaders(file)
  const { coff, optional } = headers
  const segments = new Segments(file, headers.sections)
  const characteristics = file.u16(optional + 70)
  const flag = (bit: number) => (characteristics & bit) !== 0
  const libraries = attempts.make(() => imports(headers, segments))
  const delayed = attempts.make(() => delayImports(headers, segments))
  return {
    ...(libraries && { libraries }),
    ...(delayed && { optional_libraries: delayed }),
    libc: { family: libraries ? familyOf(libraries) : 'unknown' },
    ...minimumOs(file, optional),
    toolchain: [`linker ${file.u8(optional + 2)}.${file.u8(optional + 3)}`],
    // PointerToSymbolTable and NumberOfSymbols.
    stripped: file.u32(coff + 8) === 0 || file.u32(coff + 12) === 0,
    hardening: {
      dynamic_base: flag(DLL_CHARACTERISTICS.DYNAMIC_BASE),
      nx_compat: flag(DLL_CHARACTERISTICS.NX_COMPAT),
      high_entropy_va: flag(DLL_CHARACTERISTICS.HIGH_ENTROPY_VA),
      guard_cf: flag(DLL_CHARACTERISTICS.GUARD_CF),
      authenticode: headers.directory(DIRECTORY.SECURITY).size > 0,
    },
    ...(attempts.make(() => pdbId(file, headers, segments)) ?? {}),
  }
}

function imports(headers: PeHeaders, segments: Segments): string[] {
  return libraryNames(namesIn(segments, headers.directory(DIRECTORY.IMPORT), 20, entry => entry.u32(12)))
}

/** Where bit 0 of the attributes is not set, from before Visual C++ 7, the name is given by address and not by RVA. */
function delayImports(headers: PeHeaders, segments: Segments): string[] {
  const nameOf = (entry: Bytes) => {
    const name = entry.u32(4)
    return name === 0 || entry.u32(0) & 1 ? name : name - headers.imageBase
  }
  return libraryNames(namesIn(segments, headers.directory(DIRECTORY.DELAY_IMPORT), 32, nameOf))
}

/** The libraries in a table that ends with an entry without a name. */
function* namesIn(
  segments: Segments,
  directory: { readonly address: number; readonly size: number },
  entrySize: number,
  nameOf: (entry: Bytes) => number,
): Generator<string> {
  if (directory.size === 0) return
  for (let i = 0; i < MAX_ENTRIES; i++) {
    const entry = segments.read(directory.address + i * entrySize, entrySize, 'an entry of the import table')
    const name = nameOf(entry)
    if (name === 0) return
    yield readName(segments.from(name, 'the name of an imported DLL'), 0, 'the name of an imported DLL')
  }
  throw new PluginError('not-supported', `the import table has more than ${MAX_ENTRIES} entries`)
}

/** The C runtimes of Windows: the one of the system, and the universal one with its forwarders. */
function familyOf(libraries: readonly string[]): LibcFamily {
  const names = libraries.map(name => name.toLowerCase())
  if (names.some(name => /^(ucrtbased?\.dll|api-ms-win-crt-)/.test(name))) return 'ucrt'
  return names.some(name => /^msvcr(t|\d+)d?\.dll$/.test(name)) ? 'msvcrt' : 'none'
}

/** MajorOperatingSystemVersion and MajorSubsystemVersion, of which linkers leave one or the other low: the higher counts. */
function minimumOs(file: Bytes, optional: number): Pick<FormatFacts, 'minimum_os'> {
  const [system, subsystem] = [40, 48].map(at => `${file.u16(optional + at)}.${file.u16(optional + at + 2)}`)
  if (system === undefined || subsystem === undefined) return {}
  const version = compareVersions(system, subsystem) > 0 ? system : subsystem
  return version === '0.0' ? {} : { minimum_os: { name: 'windows', version } }
}

/** The GUID of the CodeView record, by which debuggers and symbol servers find the PDB. */
function pdbId(file: Bytes, headers: PeHeaders, segments: Segments): Pick<FormatFacts, 'build_id'> {
  const directory = headers.directory(DIRECTORY.DEBUG)
  const count = Math.min(Math.floor(directory.size / 28), MAX_DEBUG_ENTRIES)
  for (let i = 0; i < count; i++) {
    const entry = segments.read(directory.address + i * 28, 28, 'the debug directory')
    if (entry.u32(12) !== IMAGE_DEBUG_TYPE_CODEVIEW || entry.u32(16) < 24) continue
    const record = file.slice(entry.u32(24), 24, 'the CodeView record')
    if (record.u32(0) === RSDS) return { build_id: { kind: 'pdb', id: guid(record.slice(4, 16, 'a GUID')) } }
  }
  return {}
}

/** A GUID: one u32, two u16 and eight bytes. */
function guid(bytes: Bytes): string {
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0')
  const head = [hex(bytes.u32(0), 8), hex(bytes.u16(4), 4), hex(bytes.u16(6), 4)]
  const tail = bytes.slice(8, 8, 'a GUID').hex(8)
  return [...head, tail.slice(0, 4), tail.slice(4)].join('-').toUpperCase()
}

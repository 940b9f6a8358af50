import type { Bytes } from '../lib/bytes.ts'
import type { Architecture } from './descriptor.ts'
import type { Export, Image } from './image.ts'
import { loadCommands, pointerSizeOf } from './macho-commands.ts'
import { ChainedFixups } from './macho-fixups.ts'
import { trieExports } from './macho-trie.ts'
import { type Segment, Segments } from './segments.ts'

// All names and numbers: <mach-o/loader.h>, <mach-o/nlist.h>, <mach/machine.h>. Addresses here count from the
// image's header, as dyld counts: the file's own addresses less that of the segment that holds the header.

const CPU_TYPES: ReadonlyMap<number, Architecture> = new Map([
  [0x00000007, 'x86'],
  [0x0000000c, 'arm'],
  [0x01000007, 'x86_64'],
  [0x0100000c, 'arm64'],
])

const LC_SEGMENT = 0x1
const LC_SYMTAB = 0x2
const LC_SEGMENT_64 = 0x19
const LC_DYLD_INFO = 0x22
const LC_DYLD_INFO_ONLY = 0x80000022
const LC_DYLD_EXPORTS_TRIE = 0x80000033
const LC_DYLD_CHAINED_FIXUPS = 0x80000034

const N_STAB = 0xe0
const N_PEXT = 0x10
const N_TYPE = 0x0e
const N_SECT = 0x0e
const N_EXT = 0x01

/** Every C symbol begins with it. */
const UNDERSCORE = '_'

/** A thin dylib or bundle of macOS. */
export class MachoImage implements Image {
  readonly bytes: Bytes
  readonly fileType = 'mach'
  readonly architecture: Architecture
  readonly pointerSize: 4 | 8
  readonly #base: number
  readonly #segments: Segments
  readonly #commands: ReadonlyMap<number, Bytes>
  readonly #fixups: ChainedFixups | undefined

  constructor(file: Bytes) {
    this.bytes = file
    this.pointerSize = pointerSizeOf(file)
    const cpuType = file.u32(4)
    this.architecture = CPU_TYPES.get(cpuType) ?? { unknown: cpuType }

    const { segments, commands } = readCommands(file, this.pointerSize)
    this.#base = segments.find(segment => segment.offset === 0 && segment.size > 0)?.address ?? 0
    this.#segments = new Segments(
      file,
      segments.map(segment => ({ ...segment, address: segment.address - this.#base })),
    )
    this.#commands = commands
    const fixups = this.#linkedit(commands.get(LC_DYLD_CHAINED_FIXUPS), 8, 'the chained fixups')
    this.#fixups = fixups && new ChainedFixups(fixups, this.#segments, this.#base)
  }

  *exports(prefix: string): Generator<Export> {
    const info = this.#commands.get(LC_DYLD_INFO_ONLY) ?? this.#commands.get(LC_DYLD_INFO)
    const trie =
      this.#linkedit(this.#commands.get(LC_DYLD_EXPORTS_TRIE), 8, 'the export trie') ??
      this.#linkedit(info, 40, 'the export trie')
    const found = trie ? trieExports(trie, UNDERSCORE + prefix) : this.#symbols(UNDERSCORE + prefix)
    for (const { name, address } of found) yield { name: name.slice(UNDERSCORE.length), address }
  }

  read(address: number, length: number, what: string): Bytes {
    return this.#segments.read(address, length, what)
  }

  /** Without chained fixups the slot holds the address itself, and dyld's opcodes only tell where to add the slide. */
  pointers(slots: readonly number[]): Map<number, number> {
    const pointers = new Map<number, number>()
    for (const slot of slots) {
      const value = this.read(slot, this.pointerSize, 'a pointer').word(0, this.pointerSize)
      pointers.set(slot, this.#fixups?.target(slot) ?? (value === 0 ? 0 : value - this.#base))
    }
    return pointers
  }

  /** The external symbols that begin so. Files from before the export trie, and from odd tools, have only these. */
  *#symbols(prefix: string): Generator<Export> {
    const command = this.#commands.get(LC_SYMTAB)
    if (!command) return
    const size = this.pointerSize + 8
    const symbols = this.bytes.slice(command.u32(8), command.u32(12) * size, 'the symbol table')
    const names = this.bytes.slice(command.u32(16), command.u32(20), 'the string table')
    for (let at = 0; at < symbols.size; at += size) {
      const name = symbols.u32(at)
      if (!names.startsWith(prefix, name)) continue
      const type = symbols.u8(at + 4)
      if ((type & (N_STAB | N_PEXT)) !== 0 || (type & N_TYPE) !== N_SECT || (type & N_EXT) === 0) continue
      yield { name: names.cstring(name), address: symbols.word(at + 8, this.pointerSize) - this.#base }
    }
  }

  /** What a load command points at with an offset and a size; undefined where it is empty. */
  #linkedit(command: Bytes | undefined, at: number, what: string): Bytes | undefined {
    if (!command || command.u32(at + 4) === 0) return undefined
    return this.bytes.slice(command.u32(at), command.u32(at + 4), what)
  }
}

/** The segments, and of every other load command the first of its kind. */
function readCommands(file: Bytes, word: 4 | 8) {
  const segments: Segment[] = []
  const commands = new Map<number, Bytes>()
  for (const { kind, command } of loadCommands(file, word)) {
    if (kind === LC_SEGMENT || kind === LC_SEGMENT_64)
      segments.push(readSegment(command, kind === LC_SEGMENT ? 4 : 8))
    else if (!commands.has(kind)) commands.set(kind, command)
  }
  return { segments, commands }
}

function readSegment(command: Bytes, word: 4 | 8): Segment {
  return {
    address: command.word(24, word),
    offset: command.word(24 + 2 * word, word),
    size: Math.min(command.word(24 + word, word), command.word(24 + 3 * word, word)),
  }
}

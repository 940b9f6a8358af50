import type { Bytes } from '../lib/bytes.ts'
import type { Architecture } from './descriptor.ts'
import { dynamicEntries, pointerSizeOf, programHeaders } from './elf-headers.ts'
import { PluginError } from './error.ts'
import type { Export, Image } from './image.ts'
import { Segments } from './segments.ts'

// All names and numbers: System V gABI chapters 4 and 5, <elf.h>. Only the program headers and what PT_DYNAMIC
// leads to are read: section headers are for linkers and debuggers, and a stripped plugin may have none.

const MACHINES: Readonly<Record<number, Architecture>> = { 3: 'x86', 40: 'arm', 62: 'x86_64', 183: 'arm64' }

const PT_LOAD = 1
const PT_DYNAMIC = 2

const DT = {
  HASH: 4,
  STRTAB: 5,
  SYMTAB: 6,
  RELA: 7,
  RELASZ: 8,
  STRSZ: 10,
  REL: 17,
  RELSZ: 18,
  GNU_HASH: 0x6ffffef5,
} as const
const KNOWN_TAGS = new Set<number>(Object.values(DT))

const SHN_UNDEF = 0
const STB_LOCAL = 0

/** Elf32_Sym and Elf64_Sym, by the size of a pointer. */
const SYMBOLS = {
  4: { size: 16, value: 4, info: 12, shndx: 14 },
  8: { size: 24, value: 8, info: 4, shndx: 6 },
} as const

/** The relocations that make a pointer, by machine: base + addend, and symbol + addend. From the processor supplements. */
const RELOCATIONS: Readonly<Record<number, { relative: number; absolute: number }>> = {
  3: { relative: 8, absolute: 1 }, // R_386_RELATIVE, R_386_32
  40: { relative: 23, absolute: 2 }, // R_ARM_RELATIVE, R_ARM_ABS32
  62: { relative: 8, absolute: 1 }, // R_X86_64_RELATIVE, R_X86_64_64
  183: { relative: 1027, absolute: 257 }, // R_AARCH64_RELATIVE, R_AARCH64_ABS64
  243: { relative: 3, absolute: 2 }, // R_RISCV_RELATIVE, R_RISCV_64
}

interface Relocation {
  /** The address of the pointer. */
  readonly slot: number
  readonly type: number
  /** The index of a dynamic symbol. */
  readonly symbol: number
  readonly addend: number
}

/** A shared object of Linux and its kin, 32 or 64 bit. */
export class ElfImage implements Image {
  readonly bytes: Bytes
  readonly fileType = 'elf'
  readonly architecture: Architecture
  readonly pointerSize: 4 | 8
  readonly #machine: number
  readonly #segments: Segments
  readonly #dynamic: ReadonlyMap<number, number>

  constructor(file: Bytes) {
    this.bytes = file
    this.pointerSize = pointerSizeOf(file)
    this.#machine = file.u16(0x12)
    this.architecture = MACHINES[this.#machine] ?? { unknown: this.#machine }

    const loads = []
    let dynamic: Bytes | undefined
    for (const program of programHeaders(file, this.pointerSize)) {
      if (program.type === PT_LOAD) loads.push(program)
      if (program.type === PT_DYNAMIC)
        dynamic ??= file.slice(program.offset, program.size, 'the dynamic section')
    }
    this.#segments = new Segments(file, loads)
    this.#dynamic = dynamic ? readDynamic(dynamic, this.pointerSize) : new Map()
  }

  *exports(prefix: string): Generator<Export> {
    const { size, value, info, shndx } = SYMBOLS[this.pointerSize]
    const count = this.#symbolCount()
    if (count === 0) return
    const symbols = this.#table(DT.SYMTAB, count * size, 'the dynamic symbol table')
    const names = this.#table(DT.STRTAB, this.#dynamic.get(DT.STRSZ) ?? 0, 'the dynamic string table')
    for (let at = 0; at < symbols.size; at += size) {
      const name = symbols.u32(at)
      if (!names.startsWith(prefix, name)) continue
      if (symbols.u16(at + shndx) === SHN_UNDEF || symbols.u8(at + info) >> 4 === STB_LOCAL) continue
      yield { name: names.cstring(name), address: symbols.word(at + value, this.pointerSize) }
    }
  }

  read(address: number, length: number, what: string): Bytes {
    return this.#segments.read(address, length, what)
  }

  /**
   * REL and RELR relocations that are relative have their addend, which is the address, in the slot itself;
   * so does a slot that needs none. Hence only what RELA says, and symbols, have to be looked up.
   */
  pointers(slots: readonly number[]): Map<number, number> {
    const pointers = new Map<number, number>()
    for (const slot of slots) {
      pointers.set(slot, this.read(slot, this.pointerSize, 'a pointer').word(0, this.pointerSize))
    }
    const relocated = new Set<number>()
    for (const addends of ['in slot', 'in entry'] as const) {
      for (const { slot, type, symbol, addend } of this.#relocations(addends, pointers)) {
        if (relocated.has(slot)) throw new PluginError('not-supported', 'a pointer is relocated twice')
        relocated.add(slot)
        pointers.set(slot, this.#target(type, symbol, addend))
      }
    }
    return pointers
  }

  /** One pass over a table (REL or RELA), however long it is, for the relocations of all the slots that are asked for. */
  *#relocations(addends: 'in slot' | 'in entry', slots: ReadonlyMap<number, number>): Generator<Relocation> {
    const word = this.pointerSize
    const inEntry = addends === 'in entry'
    const length = this.#dynamic.get(inEntry ? DT.RELASZ : DT.RELSZ) ?? 0
    if (length === 0 || slots.size === 0) return
    const table = this.#table(inEntry ? DT.RELA : DT.REL, length, 'a relocation table')
    const size = inEntry ? word * 3 : word * 2
    let [lowest, highest] = [Number.POSITIVE_INFINITY, 0]
    for (const slot of slots.keys()) [lowest, highest] = [Math.min(lowest, slot), Math.max(highest, slot)]
    for (let at = 0; at + size <= table.size; at += size) {
      const slot = table.word(at, word)
      if (slot < lowest || slot > highest) continue
      const inSlot = slots.get(slot)
      if (inSlot === undefined) continue
      const info = table.u32(at + word)
      const [type, symbol] = word === 8 ? [info, table.u32(at + 12)] : [info & 0xff, info >>> 8]
      const addend = inEntry ? table.int(at + 2 * word, word) : inSlot
      yield { slot, type, symbol, addend }
    }
  }

  #target(type: number, symbol: number, addend: number): number {
    const known = RELOCATIONS[this.#machine]
    if (type === known?.relative) return addend
    if (type === known?.absolute) {
      const target = this.#symbolValue(symbol) + addend
      return this.pointerSize === 8 ? target : target >>> 0
    }
    throw new PluginError('not-supported', `a descriptor has a relocation of type ${type}`)
  }

  #symbolValue(index: number): number {
    const { size, value, shndx } = SYMBOLS[this.pointerSize]
    const table = this.#dynamic.get(DT.SYMTAB) ?? 0
    const symbol = this.#segments.read(table + index * size, size, 'a symbol')
    if (symbol.u16(shndx) === SHN_UNDEF) {
      throw new PluginError('not-supported', 'a descriptor points into another library')
    }
    return symbol.word(value, this.pointerSize)
  }

  /** How many dynamic symbols there are, which only the hash tables know. Without one the loader finds no symbol either. */
  #symbolCount(): number {
    const sysv = this.#dynamic.get(DT.HASH)
    if (sysv !== undefined) return this.#segments.read(sysv, 8, 'the hash table').u32(4)
    const gnu = this.#dynamic.get(DT.GNU_HASH)
    return gnu === undefined ? 0 : countGnuHash(this.#segments.from(gnu, 'the hash table'), this.pointerSize)
  }

  #table(tag: number, length: number, what: string): Bytes {
    const address = this.#dynamic.get(tag)
    if (address === undefined)
      throw new PluginError('not-executable', `the file does not say where ${what} is`)
    return this.#segments.read(address, length, what)
  }
}

/** The entries that are known here; of a tag that comes twice the last counts, as in the loader of glibc. */
function readDynamic(table: Bytes, word: 4 | 8): Map<number, number> {
  const entries = new Map<number, number>()
  for (const { tag, value } of dynamicEntries(table, word)) if (KNOWN_TAGS.has(tag)) entries.set(tag, value)
  return entries
}

/** The number of symbols: the last chain begins at the highest bucket and ends at the first odd hash. */
function countGnuHash(table: Bytes, word: 4 | 8): number {
  const [buckets, firstHashed, blooms] = [table.u32(0), table.u32(4), table.u32(8)]
  const bucketsAt = 16 + blooms * word
  const chainsAt = bucketsAt + buckets * 4
  let last = 0
  for (let at = bucketsAt; at < chainsAt; at += 4) last = Math.max(last, table.u32(at))
  if (last < firstHashed) return firstHashed
  while ((table.u32(chainsAt + (last - firstHashed) * 4) & 1) === 0) last++
  return last + 1
}

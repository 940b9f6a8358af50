import type { Bytes } from '../lib/bytes.ts'
import type { Architecture } from './descriptor.ts'
import { PluginError } from './error.ts'
import type { Export, Image } from './image.ts'
import { type Segment, Segments } from './segments.ts'

// All names and numbers: Microsoft, PE Format. Addresses here are RVAs; the pointers in the file are virtual
// addresses for the preferred image base, so base relocations have nothing to tell.

const MACHINES: ReadonlyMap<number, Architecture> = new Map([
  [0x014c, 'x86'],
  [0x01c0, 'arm'],
  [0x01c4, 'arm'],
  [0x8664, 'x86_64'],
  [0xaa64, 'arm64'],
])

const SIGNATURE = 0x4550 // PE\0\0

/** Fields of the optional header that differ between PE32 and PE32+, by its magic number. */
const LAYOUTS: ReadonlyMap<number, { pointerSize: 4 | 8; imageBase: number; directories: number }> = new Map([
  [0x10b, { pointerSize: 4, imageBase: 28, directories: 96 }],
  [0x20b, { pointerSize: 8, imageBase: 24, directories: 112 }],
])

// An ordinal is a u16.
const MAX_NAMES = 0x10000

/** A DLL, PE32 or PE32+. */
export class PeImage implements Image {
  readonly fileType = 'pe'
  readonly architecture: Architecture
  readonly pointerSize: 4 | 8
  readonly #file: Bytes
  readonly #imageBase: number
  readonly #segments: Segments
  /** RVA and size of the export directory. */
  readonly #exports: { readonly address: number; readonly size: number }

  constructor(file: Bytes) {
    const header = file.u32(0x3c)
    if (file.u32(header) !== SIGNATURE)
      throw new PluginError('not-executable', 'the MZ file has no PE header')
    const machine = file.u16(header + 4)
    this.architecture = MACHINES.get(machine) ?? { unknown: machine }

    const optional = header + 24
    const layout = LAYOUTS.get(file.u16(optional))
    if (!layout) throw new PluginError('not-executable', 'the optional header is neither PE32 nor PE32+')
    this.#file = file
    this.pointerSize = layout.pointerSize
    this.#imageBase = file.word(optional + layout.imageBase, layout.pointerSize)
    const directories = file.u32(optional + layout.directories - 4)
    this.#exports =
      directories === 0
        ? { address: 0, size: 0 }
        : {
            address: file.u32(optional + layout.directories),
            size: file.u32(optional + layout.directories + 4),
          }
    this.#segments = new Segments(
      file,
      sections(file, optional + file.u16(header + 20), file.u16(header + 6)),
    )
  }

  /** By name order, the order of the name table. What has only an ordinal is not found by name, and not here. */
  *exports(prefix: string): Generator<Export> {
    if (this.#exports.size === 0) return
    const directory = this.#segments.read(this.#exports.address, 40, 'the export directory')
    const count = directory.u32(24)
    if (count === 0) return
    if (count > MAX_NAMES) throw new PluginError('not-executable', `the export directory has ${count} names`)
    const functions = this.#segments.read(
      directory.u32(28),
      directory.u32(20) * 4,
      'the export address table',
    )
    const names = this.#segments.read(directory.u32(32), count * 4, 'the export name table')
    const ordinals = this.#segments.read(directory.u32(36), count * 2, 'the export ordinal table')
    for (let i = 0; i < count; i++) {
      const name = this.#segments.offset(names.u32(i * 4), 1, 'the name of an export')
      if (!this.#file.startsWith(prefix, name)) continue
      const address = functions.u32(ordinals.u16(i * 2) * 4)
      if (!this.#isForwarder(address)) yield { name: this.#file.cstring(name), address }
    }
  }

  read(address: number, length: number, what: string): Bytes {
    return this.#segments.read(address, length, what)
  }

  pointers(slots: readonly number[]): Map<number, number> {
    const pointers = new Map<number, number>()
    for (const slot of slots) {
      const value = this.read(slot, this.pointerSize, 'a pointer').word(0, this.pointerSize)
      pointers.set(slot, value === 0 ? 0 : value - this.#imageBase)
    }
    return pointers
  }

  /** An export whose address lies in the export directory is text, `DLL.name`: it is found in that DLL. */
  #isForwarder(address: number): boolean {
    return address >= this.#exports.address && address < this.#exports.address + this.#exports.size
  }
}

function sections(file: Bytes, at: number, count: number): Segment[] {
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

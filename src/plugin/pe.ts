import type { Bytes } from '../lib/bytes.ts'
import type { Architecture } from './descriptor.ts'
import { PluginError } from './error.ts'
import type { Export, Image } from './image.ts'
import { DIRECTORY, readPeHeaders } from './pe-headers.ts'
import { Segments } from './segments.ts'

// All names and numbers: Microsoft, PE Format. Addresses here are RVAs; the pointers in the file are virtual
// addresses for the preferred image base, so base relocations have nothing to tell.

const MACHINES: ReadonlyMap<number, Architecture> = new Map([
  [0x014c, 'x86'],
  [0x01c0, 'arm'],
  [0x01c4, 'arm'],
  [0x8664, 'x86_64'],
  [0xaa64, 'arm64'],
])

// An ordinal is a u16.
const MAX_NAMES = 0x10000

/** A DLL, PE32 or PE32+. */
export class PeImage implements Image {
  readonly bytes: Bytes
  readonly fileType = 'pe'
  readonly architecture: Architecture
  readonly pointerSize: 4 | 8
  readonly #imageBase: number
  readonly #segments: Segments
  /** RVA and size of the export directory. */
  readonly #exports: { readonly address: number; readonly size: number }

  constructor(file: Bytes) {
    this.bytes = file
    const headers = readPeHeaders(file)
    this.architecture = MACHINES.get(headers.machine) ?? { unknown: headers.machine }
    this.pointerSize = headers.pointerSize
    this.#imageBase = headers.imageBase
    this.#exports = headers.directory(DIRECTORY.EXPORT)
    this.#segments = new Segments(file, headers.sections)
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
      if (!this.bytes.startsWith(prefix, name)) continue
      const address = functions.u32(ordinals.u16(i * 2) * 4)
      if (!this.#isForwarder(address)) yield { name: this.bytes.cstring(name), address }
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

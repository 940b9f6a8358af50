import { expect } from 'chai'
import { Bytes } from '../../src/lib/bytes.ts'
import { analyze } from '../../src/plugin/analyze.ts'
import { ElfImage } from '../../src/plugin/elf.ts'
import { expectRefused } from '../support/plugin-errors.ts'
import { type PluginFile, plugin } from '../support/plugins.ts'

const X86_64 = 'libmemflow_shape-sections-stripped.x86_64.so'
const X86 = 'libmemflow_coredump-0.2.0.x86.so'

function read(file: PluginFile) {
  const bytes = Buffer.from(plugin(file).bytes)
  const [first] = new ElfImage(new Bytes(bytes, file)).exports('MEMFLOW_')
  return { bytes, address: first?.address ?? 0, descriptors: plugin(file).descriptors }
}

/** Where the RELA entry of that slot is. */
function relaOf(bytes: Buffer, slot: number): number {
  const entry = Buffer.alloc(16)
  entry.writeUInt32LE(slot, 0)
  entry.writeUInt32LE(8, 8) // R_X86_64_RELATIVE
  return bytes.indexOf(entry)
}

/** Where the REL entry of that slot is. */
function relOf(bytes: Buffer, slot: number): number {
  const entry = Buffer.alloc(8)
  entry.writeUInt32LE(slot, 0)
  entry.writeUInt32LE(8, 4) // R_386_RELATIVE
  return bytes.indexOf(entry)
}

describe('plugin/elf', () => {
  it('needs no section headers', () => {
    const { bytes, descriptors } = read('libmemflow_coredump-0.2.0.arm.so')
    bytes.writeUInt32LE(0xffffffff, 0x20) // e_shoff
    bytes.writeUInt16LE(0xffff, 0x30) // e_shnum
    expect(analyze(bytes)).to.deep.equal(descriptors)
  })

  it('refuses a big-endian file', () => {
    const { bytes } = read(X86_64)
    bytes[5] = 2
    expectRefused(bytes, 'not-supported', /big-endian/)
  })

  it('refuses unknown classes and encodings', () => {
    for (const [at, value] of [
      [4, 0],
      [4, 3],
      [5, 0],
      [5, 3],
    ] as const) {
      const { bytes } = read(X86_64)
      bytes[at] = value
      expectRefused(bytes, 'not-executable', /unknown/)
    }
  })

  it('names a machine that memflow has no word for by its number', () => {
    const { bytes } = read('libmemflow_shape-relr.x86_64.so')
    bytes.writeUInt16LE(0x102, 0x12)
    expect(analyze(bytes)[0]?.architecture).to.deep.equal({ unknown: 0x102 })
  })

  it('refuses the relocations of a machine that it does not know', () => {
    const { bytes } = read(X86_64)
    bytes.writeUInt16LE(0x102, 0x12)
    expectRefused(bytes, 'not-supported', /a relocation of type 8/)
  })

  it('follows a pointer that is relocated by a symbol (RELA)', () => {
    const { bytes, address, descriptors } = read(X86_64)
    const at = relaOf(bytes, address + 0x18)
    const target = bytes.readInt32LE(at + 16)
    const index = symbolOf(bytes, address)
    bytes.writeUInt32LE(1, at + 8) // R_X86_64_64
    bytes.writeUInt32LE(index, at + 12)
    bytes.writeBigInt64LE(BigInt(target - address), at + 16)
    expect(target - address, 'an addend below zero is part of this').to.be.below(0)
    expect(analyze(bytes)).to.deep.equal(descriptors)
  })

  it('follows a pointer that is relocated by a symbol (REL)', () => {
    const { bytes, address, descriptors } = read(X86)
    const at = relOf(bytes, address + 0x10)
    const slot = bytes.lastIndexOf(Buffer.from([1, 0, 0, 0, 1, 0, 0, 0])) + 0x10
    bytes.writeUInt32LE(1 | (symbolOf32(bytes, address) << 8), at + 4) // R_386_32
    bytes.writeInt32LE(bytes.readInt32LE(slot) - address, slot)
    expect(analyze(bytes)).to.deep.equal(descriptors)
  })

  it('refuses a pointer to a symbol that is elsewhere', () => {
    const { bytes, address } = read(X86_64)
    const at = relaOf(bytes, address + 0x18)
    bytes.writeUInt32LE(1, at + 8)
    bytes.writeUInt32LE(0, at + 12)
    expectRefused(bytes, 'not-supported', /into another library/)
  })

  it('refuses a symbol number beyond the file', () => {
    const { bytes, address } = read(X86_64)
    const at = relaOf(bytes, address + 0x18)
    bytes.writeUInt32LE(1, at + 8)
    bytes.writeUInt32LE(0xffffffff, at + 12)
    expectRefused(bytes, 'out-of-bounds', /a symbol/)
  })

  it('refuses a pointer that is relocated twice', () => {
    const { bytes, address } = read(X86_64)
    bytes.copyWithin(
      relaOf(bytes, address + 0x18),
      relaOf(bytes, address + 0x28),
      relaOf(bytes, address + 0x28) + 24,
    )
    expectRefused(bytes, 'not-supported', /relocated twice/)
  })

  it('refuses a descriptor that a relocation makes its own text', () => {
    const { bytes, address } = read(X86_64)
    bytes.writeBigInt64LE(BigInt(address), relaOf(bytes, address + 0x18) + 16)
    expectRefused(bytes, 'encoding', /the name in/)
  })

  it('refuses segments that overlap', () => {
    const { bytes } = read(X86_64)
    const [first, second] = loads(bytes)
    bytes.writeBigUInt64LE(bytes.readBigUInt64LE(first + 16) + 8n, second + 16)
    expectRefused(bytes, 'not-executable', /segments overlap/)
  })

  it('refuses a segment that is longer than the file', () => {
    const { bytes } = read(X86_64)
    bytes.writeBigUInt64LE(2n ** 40n, loads(bytes)[1] + 32)
    expectRefused(bytes, 'not-executable', /a segment at .* runs out of the file/)
  })

  it('finds nothing in a file without a dynamic section', () => {
    const { bytes } = read(X86_64)
    bytes.writeUInt16LE(0, 0x38) // e_phnum
    expectRefused(bytes, 'not-found', /no symbol/)
  })

  it('refuses program headers of another size', () => {
    const { bytes } = read(X86_64)
    bytes.writeUInt16LE(32, 0x36)
    expectRefused(bytes, 'not-executable', /program headers/)
  })
})

/** The number of the symbol with this value, by the distance to the first, which is all zeros. */
function symbolOf(bytes: Buffer, address: number): number {
  const value = Buffer.alloc(16)
  value.writeUInt32LE(address, 0)
  value.writeUInt32LE(0x60, 8)
  return (bytes.indexOf(value) - 8 - symtab(bytes, 16)) / 24
}

function symbolOf32(bytes: Buffer, address: number): number {
  const value = Buffer.alloc(8)
  value.writeUInt32LE(address, 0)
  value.writeUInt32LE(0x34, 4)
  return (bytes.indexOf(value) - 4 - symtab(bytes, 8)) / 16
}

/** The value of DT_SYMTAB; in these files offsets of the first segment are addresses. */
function symtab(bytes: Buffer, entrySize: number): number {
  // DT_STRTAB stands before DT_SYMTAB, and DT_STRSZ behind it.
  for (let at = 0; at + 3 * entrySize <= bytes.length; at += 4) {
    const tags = [0, 1, 2].map(i => bytes.readUInt32LE(at + i * entrySize))
    if (tags.join() === '5,6,10') return bytes.readUInt32LE(at + entrySize * 1.5)
  }
  return 0
}

/** Where the program headers of the first two PT_LOAD are. */
function loads(bytes: Buffer): [number, number] {
  const found = []
  for (let at = 0x40; found.length < 2; at += 56) if (bytes.readUInt32LE(at) === 1) found.push(at)
  return found as [number, number]
}

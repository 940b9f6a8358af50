import { expect } from 'chai'
import { Bytes } from '../../src/lib/bytes.ts'
import { analyze } from '../../src/plugin/analyze.ts'
import { PeImage } from '../../src/plugin/pe.ts'
import { expectRefused } from '../support/plugin-errors.ts'
import { plugin } from '../support/plugins.ts'

const { bytes, descriptors } = plugin('memflow_coredump-0.2.0.x86_64.dll')
const dll = Buffer.from(bytes)
const header = dll.readUInt32LE(0x3c)
const optional = header + 24
/** Where the header of a section is. */
const section = (name: string) => dll.indexOf(`${name}\0`)
const directory = dll.readUInt32LE(section('.edata') + 20)

function changed(change: (file: Buffer) => void): Buffer {
  const file = Buffer.from(dll)
  change(file)
  return file
}

describe('plugin/pe', () => {
  it('passes over exports that are forwarded, and those without a name', () => {
    const file = plugin('memflow_shape-forwarded.x86_64.dll')
    const names = [...new PeImage(new Bytes(file.bytes, 'the file')).exports('MEMFLOW_')].map(
      ({ name }) => name,
    )
    expect(Buffer.from(file.bytes).includes('MEMFLOW_CONNECTOR_ELSEWHERE')).to.equal(true)
    expect(names).to.deep.equal(['MEMFLOW_OS_SHAPE'])
  })

  it('needs no base relocations', () => {
    const file = changed(file => file.fill(0, optional + 112 + 5 * 8, optional + 112 + 6 * 8))
    expect(analyze(file)).to.deep.equal(descriptors)
  })

  it('takes the raw size of a section that has no virtual size', () => {
    const file = changed(file => file.writeUInt32LE(0, section('.edata') + 8))
    expect(analyze(file)).to.deep.equal(descriptors)
  })

  it('passes over sections without bytes', () => {
    const file = changed(file => file.writeUInt32LE(0, section('.reloc') + 16))
    expect(analyze(file)).to.deep.equal(descriptors)
  })

  for (const [machine, architecture] of [
    [0x1c0, 'arm'],
    [0x1c4, 'arm'],
    [0xaa64, 'arm64'],
    [0x5064, { unknown: 0x5064 }],
  ] as const) {
    it(`names machine 0x${machine.toString(16)}`, () => {
      const file = changed(file => file.writeUInt16LE(machine, header + 4))
      expect(analyze(file)[0]?.architecture).to.deep.equal(architecture)
    })
  }

  it('finds nothing where there is no export directory', () => {
    expectRefused(
      changed(file => file.writeUInt32LE(0, optional + 108)),
      'not-found',
      /no symbol/,
    )
    expectRefused(
      changed(file => file.fill(0, optional + 112, optional + 120)),
      'not-found',
      /no symbol/,
    )
    expectRefused(
      changed(file => file.writeUInt32LE(0, directory + 24)),
      'not-found',
      /no symbol/,
    )
  })

  const broken: Record<string, [(file: Buffer) => void, RegExp]> = {
    'an MZ file of DOS': [file => file.writeUInt32LE(0x40, 0x3c), /no PE header/],
    'a header beyond the file': [file => file.writeUInt32LE(0xfffffff0, 0x3c), /runs out of the file/],
    'an optional header of another kind': [
      file => file.writeUInt16LE(0x107, optional),
      /neither PE32 nor PE32\+/,
    ],
    'more sections than there are': [file => file.writeUInt16LE(0xffff, header + 6), /the section table/],
    'sections that overlap': [file => file.writeUInt32LE(0x1001, section('.data') + 12), /segments overlap/],
    'a section beyond the file': [file => file.writeUInt32LE(0xfffffe00, section('.data') + 20), /a segment/],
    'an export directory beyond all sections': [
      file => file.writeUInt32LE(0xffffff00, optional + 112),
      /the export directory/,
    ],
    '2^32 names': [file => file.writeUInt32LE(0xffffffff, directory + 24), /4294967295 names/],
    '2^32 functions': [file => file.writeUInt32LE(0xffffffff, directory + 20), /the export address table/],
    'a name beyond all sections': [
      file => file.writeUInt32LE(0xffffffff, directory + 0x28 + 3 * 4),
      /the name of an export/,
    ],
    'an ordinal beyond the functions': [
      file => file.fill(0xff, directory + 0x28 + 6 * 4, directory + 0x28 + 6 * 4 + 6),
      /the export address table/,
    ],
  }
  for (const [title, [change, reason]] of Object.entries(broken)) {
    it(`refuses ${title}`, () => expectRefused(changed(change), 'not-executable', reason))
  }

  it('refuses a descriptor outside all sections', () => {
    const file = changed(file => {
      for (let i = 0; i < 3; i++) file.writeUInt32LE(0xfffffff0, directory + 0x28 + i * 4)
    })
    expectRefused(file, 'out-of-bounds', /a pointer at address .* is in no segment/)
  })
})

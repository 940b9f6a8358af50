import { expect } from 'chai'
import { Bytes } from '../../../src/lib/bytes.ts'
import { elfLibc, type LibcSigns } from '../../../src/plugin/facts/elf-libc.ts'

const NOTHING: LibcSigns = { libraries: [], versions: [], interpreter: undefined, notes: [] }

function libc(signs: Partial<LibcSigns>) {
  return elfLibc({ ...NOTHING, ...signs })
}

function versions(...names: string[]) {
  return names.map(version => ({ library: 'libc.so.6', version }))
}

describe('plugin/facts/elf-libc', () => {
  it('is none without a library of the kind', () => {
    expect(libc({})).to.deep.equal({ family: 'none' })
    expect(libc({ libraries: ['libusb-1.0.so.0'] })).to.deep.equal({ family: 'none' })
  })

  it('is glibc by its versions, the highest of which is the floor', () => {
    const found = libc({
      versions: versions('GLIBC_2.2.5', 'GLIBC_2.34', 'GLIBC_2.9', 'GCC_3.0', 'GLIBC_PRIVATE'),
    })
    expect(found).to.deep.equal({ family: 'glibc', floor: '2.34', floors: { 'libc.so.6': '2.34' } })
  })

  it('knows the release of a version that is no number', () => {
    expect(libc({ versions: versions('GLIBC_2.2.5', 'GLIBC_ABI_DT_RELR') }).floor).to.equal('2.36')
  })

  it('is glibc by its name alone, and then the floor is not known', () => {
    for (const name of ['libc.so.6', 'ld-linux-x86-64.so.2', 'ld-linux-aarch64.so.1'])
      expect(libc({ libraries: [name] })).to.deep.equal({ family: 'glibc' })
  })

  it('is musl by its library or its loader', () => {
    expect(libc({ libraries: ['libc.musl-aarch64.so.1'] })).to.deep.equal({ family: 'musl' })
    expect(libc({ interpreter: '/lib/ld-musl-x86_64.so.1', libraries: ['libc.so'] })).to.deep.equal({
      family: 'musl',
    })
  })

  it('is bionic by the version or the note of Android', () => {
    expect(
      libc({ libraries: ['libc.so'], versions: [{ library: 'libc.so', version: 'LIBC' }] }).family,
    ).to.equal('bionic')
    const note = { name: 'Android', type: 1, content: new Bytes(new Uint8Array(), 'a note') }
    expect(libc({ libraries: ['libc.so'], notes: [note] }).family).to.equal('bionic')
  })

  it('is unknown where it is called libc.so and nothing else: musl, bionic and others are', () => {
    expect(libc({ libraries: ['libc.so'] })).to.deep.equal({ family: 'unknown' })
    expect(libc({ libraries: ['libc.so.7'] })).to.deep.equal({ family: 'unknown' })
  })
})

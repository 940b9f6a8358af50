import { expect } from 'chai'
import { analyze } from '../../src/plugin/analyze.ts'
import { expectRefused } from '../support/plugin-errors.ts'
import { type PluginFile, plugin } from '../support/plugins.ts'

const CHAINED = 'libmemflow_shape-chained.arm64.dylib'
const CLASSIC = 'libmemflow_shape-opcodes.arm64.dylib'
const UNIVERSAL = 'libmemflow_coredump-0.2.0.universal.dylib'

const LC_SYMTAB = 0x2
const LC_DYLD_INFO_ONLY = 0x80000022
const LC_DYLD_EXPORTS_TRIE = 0x80000033
const LC_DYLD_CHAINED_FIXUPS = 0x80000034

/** The file, and where its load commands are. */
function read(file: PluginFile) {
  const bytes = Buffer.from(plugin(file).bytes)
  const commands = new Map<number, number>()
  for (let at = 32, i = bytes.readUInt32LE(16); i > 0; i--) {
    commands.set(bytes.readUInt32LE(at), at)
    at += bytes.readUInt32LE(at + 4)
  }
  const command = (kind: number) => commands.get(kind) ?? Number.NaN
  return { bytes, command, descriptors: plugin(file).descriptors }
}

/** The chained file with its pointers in another format. Its only page with a chain is the one of the descriptor. */
function repacked(format: number, pack: (target: bigint, next: bigint) => bigint): Buffer {
  const { bytes, command } = read(CHAINED)
  const fixups = bytes.readUInt32LE(command(LC_DYLD_CHAINED_FIXUPS) + 8)
  const starts = fixups + 32 + 16
  bytes.writeUInt16LE(format, starts + 6)
  const page = Number(bytes.readBigUInt64LE(starts + 8))
  for (let at = page + bytes.readUInt16LE(starts + 22), next = 1n; next !== 0n; at += Number(next) * 4) {
    const value = bytes.readBigUInt64LE(at)
    next = (value >> 51n) & 0xfffn
    bytes.writeBigUInt64LE(pack(value & 0xfffffffffn, next), at)
  }
  return bytes
}

describe('plugin/macho', () => {
  describe('chained fixups', () => {
    const { descriptors } = plugin(CHAINED)
    const plain = (stride: bigint) => (target: bigint, next: bigint) =>
      target | (((next * 4n) / stride) << 51n)
    const formats: Record<string, [number, (target: bigint, next: bigint) => bigint]> = {
      DYLD_CHAINED_PTR_64: [2, plain(4n)],
      'DYLD_CHAINED_PTR_64, with a top byte': [2, (target, next) => plain(4n)(target, next) | (0xa5n << 36n)],
      DYLD_CHAINED_PTR_64_OFFSET: [6, plain(4n)],
      DYLD_CHAINED_PTR_ARM64E: [1, plain(8n)],
      'DYLD_CHAINED_PTR_ARM64E, with a top byte': [
        1,
        (target, next) => plain(8n)(target, next) | (0xa5n << 43n),
      ],
      'DYLD_CHAINED_PTR_ARM64E, signed': [
        1,
        (target, next) => plain(8n)(target, next) | (0x8007n << 48n) | (0x1234n << 32n),
      ],
      DYLD_CHAINED_PTR_ARM64E_KERNEL: [7, plain(4n)],
      DYLD_CHAINED_PTR_ARM64E_USERLAND: [9, plain(8n)],
      DYLD_CHAINED_PTR_ARM64E_USERLAND24: [12, plain(8n)],
    }
    for (const [title, [format, pack]] of Object.entries(formats)) {
      it(`reads ${title}`, () => expect(analyze(repacked(format, pack))).to.deep.equal(descriptors))
    }

    for (const format of [0, 3, 4, 5, 8, 10, 11, 13, 0xffff]) {
      it(`refuses the pointer format ${format}`, () => {
        expectRefused(repacked(format, plain(4n)), 'not-supported', /the pointer format/)
      })
    }

    it('refuses a text that lives in another library', () => {
      const bind = (bit: bigint) => (target: bigint, next: bigint) => plain(4n)(target, next) | (1n << bit)
      expectRefused(repacked(6, bind(63n)), 'not-supported', /into another library/)
      expectRefused(repacked(7, bind(62n)), 'not-supported', /into another library/)
    })

    it('takes a value outside the chain for what it is', () => {
      // The chain ends at once: what follows it are packed pointers no more, and as addresses they are absurd.
      const cut = repacked(6, target => target | (0xa5n << 36n))
      expectRefused(cut, 'out-of-bounds', /is in no segment/)
    })

    it('refuses absurd tables', () => {
      const table = (change: (file: Buffer, at: number) => void): Buffer => {
        const { bytes, command } = read(CHAINED)
        change(bytes, bytes.readUInt32LE(command(LC_DYLD_CHAINED_FIXUPS) + 8))
        return bytes
      }
      expectRefused(
        table((file, at) => file.writeUInt32LE(0xffffffff, at + 32)),
        'not-supported',
        /4294967295 segments/,
      )
      expectRefused(
        table((file, at) => file.writeUInt32LE(0xffffffff, at + 4)),
        'not-executable',
        /the chained fixups/,
      )
      expectRefused(
        table((file, at) => file.writeUInt32LE(0xffffff, at + 40)),
        'not-executable',
        /the chained fixups/,
      )
      expectRefused(
        table((file, at) => file.writeUInt16LE(0xffff, at + 48 + 20)),
        'not-executable',
        /of a segment/,
      )
      expectRefused(
        table((file, at) => file.writeUInt16LE(0, at + 48 + 4)),
        'not-supported',
        /pages of 0 bytes/,
      )
      expectRefused(
        table((file, at) => file.writeUInt16LE(0x8000, at + 48 + 22)),
        'not-supported',
        /many chains/,
      )
    })
  })

  describe('export trie', () => {
    /** The classic file with these bytes for its trie. */
    function withTrie(...trie: number[]): Buffer {
      const { bytes, command } = read(CLASSIC)
      const at = bytes.readUInt32LE(command(LC_DYLD_INFO_ONLY) + 40)
      bytes.fill(0, at, at + bytes.readUInt32LE(command(LC_DYLD_INFO_ONLY) + 44))
      bytes.set(trie, at)
      return bytes
    }
    const label = (text: string) => [...Buffer.from(text), 0]
    const name = '_MEMFLOW_OS_SHAPE'
    // The descriptor is at 0x4000.
    const address = [0x80, 0x80, 0x01]

    it('follows an edge with the whole name', () => {
      const edge = [0, 1, ...label(name), 21]
      expect(analyze(withTrie(...edge, 4, 0, ...address, 0))).to.deep.equal(plugin(CLASSIC).descriptors)
    })

    it('passes over what is re-exported', () => {
      expectRefused(withTrie(0, 1, ...label(name), 21, 4, 8, ...address, 0), 'not-found', /no symbol/)
    })

    it('refuses a trie that loops', () => {
      expectRefused(withTrie(0, 1, ...label(''), 0), 'not-executable', /the export trie loops/)
      expectRefused(
        withTrie(0, 1, ...label('_MEM'), 8, 0, 1, ...label(''), 8),
        'not-executable',
        /the export trie loops/,
      )
    })

    it('refuses names and numbers without end', () => {
      expectRefused(withTrie(0, 1, ...label(name), 0), 'not-executable', /loops/)
      expectRefused(
        withTrie(...Array.from({ length: 16 }, () => 0xff)),
        'not-executable',
        /beyond all bounds/,
      )
      expectRefused(withTrie(0, 1, ...label(name), 0xff, 0x7f), 'not-executable', /the export trie/)
    })
  })

  describe('symbol table', () => {
    /** The classic file without its trie. */
    function withoutTrie() {
      const file = read(CLASSIC)
      file.bytes.writeUInt32LE(0, file.command(LC_DYLD_INFO_ONLY) + 44)
      return file
    }

    it('stands in for a trie that is not there', () => {
      const { bytes, descriptors } = withoutTrie()
      expect(analyze(bytes)).to.deep.equal(descriptors)
    })

    it('has exports only among external defined symbols', () => {
      for (const type of [0x0e, 0x01, 0x1f, 0x24, 0x03]) {
        const { bytes, command } = withoutTrie()
        const symbols = bytes.readUInt32LE(command(LC_SYMTAB) + 8)
        for (let i = 0; i < bytes.readUInt32LE(command(LC_SYMTAB) + 12); i++)
          bytes[symbols + i * 16 + 4] = type
        expectRefused(bytes, 'not-found', /no symbol/)
      }
    })

    it('is not looked at where there is a trie', () => {
      const { bytes, command } = read(CHAINED)
      const at = bytes.readUInt32LE(command(LC_DYLD_EXPORTS_TRIE) + 8)
      bytes.fill(0, at, at + 8)
      expectRefused(bytes, 'not-found', /no symbol/)
    })

    it('refuses 2^32 symbols', () => {
      const { bytes, command } = withoutTrie()
      bytes.writeUInt32LE(0xffffffff, command(LC_SYMTAB) + 12)
      expectRefused(bytes, 'not-executable', /the symbol table/)
    })
  })

  describe('load commands', () => {
    it('refuses a big-endian file', () => {
      const { bytes } = read(CLASSIC)
      bytes.writeUInt32BE(0xfeedfacf, 0)
      expectRefused(bytes, 'not-supported', /big-endian/)
    })

    it('names a machine that memflow has no word for by its number', () => {
      const { bytes } = read(CLASSIC)
      bytes.writeUInt32LE(0x0200000c, 4)
      expect(analyze(bytes)[0]?.architecture).to.deep.equal({ unknown: 0x0200000c })
    })

    it('refuses commands of no size, and more than there can be', () => {
      const { bytes, command } = read(CLASSIC)
      bytes.writeUInt32LE(0, command(LC_SYMTAB) + 4)
      expectRefused(bytes, 'not-executable', /a load command/)
      bytes.writeUInt32LE(0xffffffff, 16)
      expectRefused(bytes, 'not-supported', /4294967295 load commands/)
    })
  })

  describe('universal file', () => {
    it('gives the plugins of slice after slice, in their order', () => {
      expect(analyze(plugin(UNIVERSAL).bytes).map(({ architecture }) => architecture)).to.deep.equal([
        'x86_64',
        'arm64',
      ])
    })

    it('may have 64-bit offsets', () => {
      const { bytes, descriptors } = plugin(UNIVERSAL)
      const file = Buffer.from(bytes)
      const slices = [8, 28].map(at =>
        [at, at + 4, at + 8, at + 12, at + 16].map(at => file.readUInt32BE(at)),
      )
      file.writeUInt32BE(0xcafebabf, 0)
      for (const [i, [cpu, subtype, offset, size, align]] of slices.entries()) {
        const words = [cpu, subtype, 0, offset, 0, size, align, 0]
        for (const [j, word] of words.entries()) file.writeUInt32BE(word ?? 0, 8 + i * 32 + j * 4)
      }
      expect(analyze(file)).to.deep.equal(descriptors)
    })

    it('refuses slices that overlap, or lie outside', () => {
      const file = Buffer.from(plugin(UNIVERSAL).bytes)
      file.writeUInt32BE(0, 8 + 8)
      expectRefused(file, 'not-executable', /the slices of the file overlap/)
      file.writeUInt32BE(0xfffff000, 8 + 8)
      expectRefused(file, 'not-executable', /a slice at 0xfffff000 runs out of the file/)
    })

    it('refuses a slice that is none', () => {
      const file = Buffer.from(plugin(UNIVERSAL).bytes)
      file.write('!<arch>\n', file.readUInt32BE(8 + 8))
      expectRefused(file, 'not-executable', /no Mach-O/)
    })

    it('passes over a Java class', () => {
      expectRefused(Buffer.from('cafebabe0000003d', 'hex'), 'not-supported', /neither/)
    })
  })
})

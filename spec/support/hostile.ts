import { plugin } from './plugins.ts'

/** The limit of an upload, and so the most that a hostile file can bring. */
export const SIZE = 20 * 2 ** 20

/** Files made to cost as much as 20 MiB can, each by another road. None is a plugin. */
export const COSTLY: Readonly<Record<string, () => Uint8Array>> = {
  'ELF: a million symbols': () =>
    elf(
      8,
      [
        [5, 0],
        [10, 64],
        [6, 0x1000],
        [4, 0x200],
      ],
      file => {
        file.writeUInt32LE(Math.floor((SIZE - 0x1000) / 24), 0x204)
      },
    ),
  'ELF: a million symbols, 32 bit, none of them defined, all named like ours': () =>
    elf(
      4,
      [
        [5, 0x100],
        [10, 64],
        [6, 0x1000],
        [4, 0x200],
      ],
      file => {
        file.write('MEMFLOW_OS_X', 0x100)
        file.writeUInt32LE(Math.floor((SIZE - 0x1000) / 16), 0x204)
      },
    ),
  'ELF: a million names of ours, the same one': () =>
    elf(
      4,
      [
        [5, 0x100],
        [10, 64],
        [6, 0x1000],
        [4, 0x200],
      ],
      file => {
        file.fill(0x11, 0x1000)
        for (let at = 0x1000; at < SIZE; at += 16) file.writeUInt32LE(0, at)
        file.write('MEMFLOW_OS_X', 0x100)
        file.writeUInt32LE(Math.floor((SIZE - 0x1000) / 16), 0x204)
      },
    ),
  'ELF: a hash table of five million buckets': () =>
    elf(
      8,
      [
        [5, 0],
        [10, 64],
        [6, 0x1000],
        [0x6ffffef5, 0x1000],
      ],
      file => {
        file.fill(0, 0x1000)
        file.writeUInt32LE(Math.floor((SIZE - 0x1010) / 4) - 1, 0x1000)
      },
    ),
  'ELF: a chain of five million hashes': () =>
    elf(
      8,
      [
        [5, 0],
        [10, 64],
        [6, 0x1000],
        [0x6ffffef5, 0x1000],
      ],
      file => {
        file.fill(0, 0x1000, 0x1018)
        file.writeUInt32LE(1, 0x1000)
      },
    ),
  'ELF: a dynamic section of a million entries': () =>
    elf(
      8,
      Array.from({ length: SIZE / 16 - 64 }, () => [7, 7] as const),
    ),
  'ELF: two relocation tables as large as the file': () =>
    elf(
      4,
      [
        [5, 0x100],
        [10, 64],
        [6, 0x240],
        [4, 0x200],
        [17, 0x400],
        [18, SIZE - 0x400],
        [7, 0x400],
        [8, SIZE - 0x400],
      ],
      file => {
        // Every word is an address between the two descriptors, and none is a slot.
        for (let at = 0x400; at < SIZE; at += 4) file.writeUInt32LE(0x402, at)
        file.write('MEMFLOW_OS_X\0MEMFLOW_OS_Y', 0x100)
        file.writeUInt32LE(2, 0x204)
        for (const [at, name, address] of [
          [0x240, 0, 0x300],
          [0x250, 13, SIZE - 0x100],
        ] as const) {
          file.writeUInt32LE(name, at)
          file.writeUInt32LE(address, at + 4)
          file.writeUInt32LE(0x00010011, at + 12)
        }
      },
    ),
  'PE: as many names as there can be, in as many sections': () => pe(),
  'Mach-O: a symbol table of a million entries': () =>
    macho([command(0x2, [0x1000, Math.floor((SIZE - 0x1000) / 16), 0, 0x1000])]),
  'Mach-O: an export trie whose root is its child 255 times': () =>
    trie(file => file.fill(0, 0x1000).set([0, 255], 0x1000)),
  'Mach-O: an export trie that is its own child under a name': () =>
    trie(file => file.set([0, 1, ...Buffer.from('_MEMFLOW_OS_X'), 0, 0], 0x1000)),
  'Mach-O: an export trie that is its own child behind a label of 20 MB': () =>
    trie(file => {
      file.fill(0x41, 0x1000)
      file.set([0, 255, ...Array.from({ length: 254 * 2 }, () => 0)], 0x1000)
      file.set([0, 0], SIZE - 2)
    }),
  'Mach-O: an export trie with a number that does not end': () => trie(file => file.fill(0xff, 0x1000)),
  'Mach-O: load commands of eight bytes all over': () =>
    macho(new Array((SIZE - 0x2000) / 8).fill(command(0x7fffffff, []))),
  'Mach-O: universal, of very many slices': () => {
    const file = Buffer.alloc(SIZE)
    file.writeUInt32BE(0xcafebabf, 0)
    file.writeUInt32BE((SIZE - 8) / 32, 4)
    return file
  },
  'Mach-O: universal, each slice the whole file': () => {
    const file = Buffer.alloc(SIZE)
    file.set(plugin('libmemflow_coredump-0.2.0.universal.dylib').bytes)
    file.writeUInt32BE(16, 4)
    for (let at = 8; at < 8 + 16 * 20; at += 20) {
      file.writeUInt32BE(0x1000, at + 8)
      file.writeUInt32BE(SIZE - 0x1000, at + 12)
    }
    return file
  },
}

/** An x86 ELF of one segment, the whole file at address 0, with this dynamic section at its end or where it fits. */
function elf(
  word: 4 | 8,
  dynamic: readonly (readonly [number, number])[],
  write = (_: Buffer) => {},
): Buffer {
  const file = Buffer.alloc(SIZE, word === 8 ? 0x02 : 0)
  file.fill(0, 0, 0x400)
  write(file)
  file.write(word === 8 ? '\x7fELF\x02\x01\x01' : '\x7fELF\x01\x01\x01', 'latin1')
  file.writeUInt16LE(word === 8 ? 62 : 3, 0x12)
  const put = (at: number, value: number) => {
    file.writeUInt32LE(value % 2 ** 32, at)
    if (word === 8) file.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4)
  }
  const [phoff, phentsize, phnum, size, offset, vaddr, filesz] =
    word === 8 ? [0x20, 0x36, 0x38, 56, 8, 16, 32] : [0x1c, 0x2a, 0x2c, 32, 4, 8, 16]
  put(phoff, 0x40)
  file.writeUInt16LE(size, phentsize)
  file.writeUInt16LE(2, phnum)
  file.writeUInt32LE(1, 0x40)
  put(0x40 + filesz, SIZE)
  const small = dynamic.length < 100
  const at = small ? SIZE - (dynamic.length + 1) * 2 * word : 0x400
  file.writeUInt32LE(2, 0x40 + size)
  put(0x40 + size + offset, at)
  put(0x40 + size + vaddr, at)
  put(0x40 + size + filesz, SIZE - at)
  for (const [i, [tag, value]] of [...dynamic, [0, 0] as const].entries()) {
    if (at + i * 2 * word + 2 * word > SIZE) break
    put(at + i * 2 * word, tag)
    put(at + i * 2 * word + word, value)
  }
  return file
}

/** Where the PE signature stands in what `pe64` makes. */
export const PE_HEADER = 0x80

/** An empty PE32+ of the full size with so many sections, and sixteen data directories. */
export function pe64(sections: number): Buffer {
  const file = Buffer.alloc(SIZE)
  file.write('MZ')
  file.writeUInt32LE(PE_HEADER, 0x3c)
  file.writeUInt32LE(0x4550, PE_HEADER)
  file.writeUInt16LE(0x8664, PE_HEADER + 4)
  file.writeUInt16LE(sections, PE_HEADER + 6)
  file.writeUInt16LE(240, PE_HEADER + 20)
  file.writeUInt16LE(0x20b, PE_HEADER + 24)
  file.writeUInt32LE(16, PE_HEADER + 24 + 108)
  return file
}

/** A PE32+ of 256 sections with 65536 names, looked up in the last section and then the first, in turns. */
function pe(): Buffer {
  const file = pe64(256)
  const header = PE_HEADER
  file.writeUInt32LE(0x10000, header + 24 + 112)
  file.writeUInt32LE(40, header + 24 + 116)
  for (let i = 0; i < 256; i++) {
    const at = header + 24 + 240 + i * 40
    const size = i === 0 ? 0x200000 : 0x10000
    file.writeUInt32LE(size, at + 8)
    file.writeUInt32LE(i === 0 ? 0x10000 : 0x200000 + i * 0x10000, at + 12)
    file.writeUInt32LE(size, at + 16)
    file.writeUInt32LE(i === 0 ? 0x10000 : 0x200000 + i * 0x10000, at + 20)
  }
  const last = 0x200000 + 255 * 0x10000
  file.writeUInt32LE(65536, 0x10000 + 20)
  file.writeUInt32LE(65536, 0x10000 + 24)
  file.writeUInt32LE(0x20000, 0x10000 + 28)
  file.writeUInt32LE(0x60000, 0x10000 + 32)
  file.writeUInt32LE(0xa0000, 0x10000 + 36)
  for (let i = 0; i < 65536; i++) file.writeUInt32LE(i % 2 === 0 ? last : 0x100000, 0x60000 + i * 4)
  return file
}

function command(kind: number, words: readonly number[]): Buffer {
  const bytes = Buffer.alloc(8 + words.length * 4)
  for (const [i, word] of [kind, bytes.length, ...words].entries()) bytes.writeUInt32LE(word, i * 4)
  return bytes
}

function macho(commands: readonly Buffer[], write = (_: Buffer) => {}): Buffer {
  const file = Buffer.alloc(SIZE)
  write(file)
  const size = commands.reduce((sum, { length }) => sum + length, 0)
  for (const [i, word] of [0xfeedfacf, 0x0100000c, 0, 6, commands.length, size].entries()) {
    file.writeUInt32LE(word, i * 4)
  }
  let at = 32
  for (const bytes of commands) at += bytes.copy(file, at)
  return file
}

/** A Mach-O whose export trie is everything from 0x1000. */
function trie(write: (file: Buffer) => void): Buffer {
  return macho([command(0x80000033, [0x1000, SIZE - 0x1000])], write)
}

import { PE_HEADER, pe64, SIZE } from './hostile.ts'

/** Plugins, or what passes for one, made so that their facts cost as much as 20 MiB can, each by another road. */
export const COSTLY_FACTS: Readonly<Record<string, () => Uint8Array>> = {
  'ELF: three times through two relocation tables as large as the file': () => {
    const file = elf32([
      [5, 0x100],
      [10, 64],
      [6, 0x240],
      [4, 0x200],
      [17, 0x1000],
      [18, SIZE - 0x2000],
      [7, 0x1000],
      [8, SIZE - 0x2000],
    ])
    // Every word is an address between the slots, and none is one.
    for (let at = 0x1000; at < SIZE - 0x1000; at += 4) file.writeUInt32LE(0x402, at)
    plugin(file, 0x300)
    // input_layout and output_layout, with the TypeLayout and the MonoTypeLayout far behind them.
    for (const [at, value] of [
      [0x308, SIZE - 0x800],
      [0x30c, 0x400],
      [SIZE - 0x800 + 4, SIZE - 0x700],
      [0x404, 0x500],
      [SIZE - 0x700 + 16, 0x600],
      [SIZE - 0x700 + 20, 13],
      [0x510, 0x600],
      [0x514, 13],
    ] as const)
      file.writeUInt32LE(value, at)
    file.write('memflow;0.2.4', 0x600)
    return file
  },
  'ELF: as many needed libraries as there can be, each with a long name': () => {
    const dynamic: [number, number][] = Array.from({ length: 4090 }, () => [1, 0x1000])
    const file = elf32([...dynamic, [5, 0], [10, SIZE], [6, 0x240], [4, 0x200]])
    file.fill('x', 0x1000, SIZE - 0x10000)
    file.fill(0, 0x10fe, 0x10ff)
    plugin(file, 0x300)
    return file
  },
  'ELF: version needs that lead to each other in a circle': () => {
    const file = elf32([
      [5, 0x100],
      [10, 0x100],
      [6, 0x240],
      [4, 0x200],
      [0x6ffffffe, 0x1000],
    ])
    // vn_version, vn_cnt, vn_file, vn_aux, vn_next: the aux leads back by 2^32 less its distance, which is 0 here.
    for (let at = 0x1000; at + 32 < SIZE - 0x10000; at += 32) {
      file.writeUInt16LE(1, at)
      file.writeUInt16LE(0xffff, at + 2)
      file.writeUInt32LE(1, at + 4)
      file.writeUInt32LE(16, at + 8)
      file.writeUInt32LE(32, at + 12)
      file.writeUInt32LE(1, at + 16 + 8)
      file.writeUInt32LE(32, at + 16 + 12)
    }
    plugin(file, 0x300)
    return file
  },
  'ELF: very many empty notes, in many segments': () => {
    const notes = Array.from({ length: 2000 }, () => ({ type: 4, offset: 0x20000, size: SIZE - 0x30000 }))
    const file = elf32(
      [
        [5, 0x100],
        [10, 64],
        [6, 0x240],
        [4, 0x200],
      ],
      notes,
    )
    plugin(file, 0x300)
    return file
  },
  'ELF: as many sections as there can be, all of them .comment': () => {
    const file = elf32([
      [5, 0x100],
      [10, 64],
      [6, 0x240],
      [4, 0x200],
    ])
    file.writeUInt32LE(0x30000, 0x20)
    file.writeUInt16LE(40, 0x2e)
    file.writeUInt16LE(0xffff, 0x30)
    file.writeUInt16LE(0, 0x32)
    for (let at = 0x30000; at < 0x30000 + 0xffff * 40; at += 40) {
      file.writeUInt32LE(1, at + 4)
      file.writeUInt32LE(0x20000, at + 16)
      file.writeUInt32LE(SIZE - 0x30000, at + 20)
    }
    file.write('.comment', 0x20000)
    plugin(file, 0x300)
    return file
  },
  'any: what is nearly the path of a crate, all over': () => filled('xglue-'),
  'any: the beginnings of paths of crates, all over': () => filled('/cglue-'),
  'any: paths of crates with versions of all digits, all over': () =>
    filled('/memflow-0.2.99999-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/src'),
  'any: letters that let the search go on by one only': () => filled('e'),
  'any: places of compilers, all over': () => filled(`/rustc/${'0'.repeat(40)}`),
  'PE: import tables whose names are all over the file': () => {
    const file = pe64(1)
    const header = PE_HEADER
    for (const directory of [1, 13]) {
      file.writeUInt32LE(0x1000, header + 24 + 112 + directory * 8)
      file.writeUInt32LE(0x1000, header + 24 + 116 + directory * 8)
    }
    const section = header + 24 + 240
    for (const [at, value] of [
      [8, SIZE - 0x1000],
      [12, 0x1000],
      [16, SIZE - 0x1000],
      [20, 0x1000],
    ] as const)
      file.writeUInt32LE(value, section + at)
    file.fill('A', 0x1000)
    for (let at = 0x1000; at + 4 < SIZE; at += 4) file.writeUInt32LE(0x2001, at)
    return file
  },
  'Mach-O: as many dylibs as there can be, of one long name': () => {
    const file = Buffer.alloc(SIZE)
    const count = 4096
    for (const [i, word] of [0xfeedfacf, 0x0100000c, 0, 6, count, count * 4096].entries())
      file.writeUInt32LE(word, i * 4)
    for (let at = 32; at < 32 + count * 4096; at += 4096) {
      file.writeUInt32LE(0xc, at)
      file.writeUInt32LE(4096, at + 4)
      file.writeUInt32LE(24, at + 8)
      file.fill('x', at + 24, at + 24 + 250)
    }
    return file
  },
}

interface Program {
  readonly type: number
  readonly offset: number
  readonly size: number
}

/** An x86 ELF of one segment, the whole file at address 0, with this dynamic section at its end. */
function elf32(dynamic: readonly (readonly [number, number])[], more: readonly Program[] = []): Buffer {
  const file = Buffer.alloc(SIZE)
  file.write('\x7fELF\x01\x01\x01', 'latin1')
  file.writeUInt16LE(3, 0x10)
  file.writeUInt16LE(3, 0x12)
  const at = SIZE - (dynamic.length + 1) * 8
  const programs = [{ type: 1, offset: 0, size: SIZE }, { type: 2, offset: at, size: SIZE - at }, ...more]
  const phoff = programs.length > 3 ? 0x4000 : 0x40
  file.writeUInt32LE(phoff, 0x1c)
  file.writeUInt16LE(32, 0x2a)
  file.writeUInt16LE(programs.length, 0x2c)
  for (const [i, { type, offset, size }] of programs.entries()) {
    file.writeUInt32LE(type, phoff + i * 32)
    file.writeUInt32LE(offset, phoff + i * 32 + 4)
    file.writeUInt32LE(offset, phoff + i * 32 + 8)
    file.writeUInt32LE(size, phoff + i * 32 + 16)
  }
  for (const [i, [tag, value]] of dynamic.entries()) {
    file.writeUInt32LE(tag, at + i * 8)
    file.writeUInt32LE(value, at + i * 8 + 4)
  }
  return file
}

/** The one symbol MEMFLOW_OS_X at 0x240, and its descriptor, whose name and version are `X`. */
function plugin(file: Buffer, address: number): void {
  file.write('\0MEMFLOW_OS_X\0', 0x100)
  file.writeUInt32LE(1, 0x204)
  file.writeUInt32LE(1, 0x240)
  file.writeUInt32LE(address, 0x244)
  file.writeUInt32LE(0x00010011, 0x24c)
  file.writeUInt32LE(1, address)
  for (const field of [0x10, 0x18]) {
    file.writeUInt32LE(0x10c, address + field)
    file.writeUInt32LE(1, address + field + 4)
  }
}

/** A plugin with this text in all of its 20 MiB. */
function filled(text: string): Buffer {
  const file = elf32([
    [5, 0x100],
    [10, 64],
    [6, 0x240],
    [4, 0x200],
  ])
  plugin(file, 0x300)
  return file.fill(text, 0x1000, SIZE - 0x1000)
}

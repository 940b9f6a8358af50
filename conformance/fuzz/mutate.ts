import type { Random } from '../support/random.ts'
import type { Field, Sample } from './sample.ts'

/** The largest upload. */
export const MAX_SIZE = 20 * 2 ** 20

/** One mutant in so many is grown to as much as an upload may have: it costs as much as ten thousand small ones. */
const GROWN = 1000

const WORDS = [
  0, 1, 2, 3, 4, 7, 8, 16, 0x7f, 0x80, 0xff, 0x100, 0xfff, 0x1000, 0x4000, 0x7fff, 0x8000, 0xffff, 0x10000,
  0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff,
] as const

/** Sizes of table entries of all three formats: symbols, relocations, program headers, sections, dynamic entries, pointers. */
const ENTRIES = [2, 4, 8, 12, 16, 20, 24, 32, 40, 56, 64, 72, 80] as const

/** What stands behind the end of a grown file; texts are what the parsers look for. */
const FILLINGS = [
  '\0',
  '\xff',
  'A',
  '\x01\0\0\0',
  'MEMFLOW_OS_X\0',
  '_MEMFLOW_OS_X\0',
  '/memflow-0.2.4/src/',
  'memflow-1.1.1.1.1.1.1-',
  'cglue-',
  '/rustc/0123456789abcdef0123456789abcdef01234567/library/',
  'GLIBC_2.34\0',
  '0',
  '.',
] as const

/** A mutant in the memory of `into`, which holds `MAX_SIZE`. */
export function mutate(random: Random, samples: readonly Sample[], sample: Sample, into: Buffer): Buffer {
  sample.bytes.copy(into)
  let file = into.subarray(0, sample.bytes.length)
  const fields = sample.fields.length > 0 ? sample.fields : [{ at: 0, width: 4 } as const]
  const grown = random.oneIn(GROWN)
  if (grown) file = grow(random, file, into, fields)
  const times = grown ? random.below(3) : random.oneIn(3) ? 1 : 2 + random.below(7)
  for (let i = 0; i < times; i++) change(random, samples, file, fields)
  if (random.oneIn(20)) file = file.subarray(0, random.below(file.length + 1))
  return file
}

function change(random: Random, samples: readonly Sample[], file: Buffer, fields: readonly Field[]): void {
  const field = random.of(fields)
  const { at } = field
  switch (random.below(10)) {
    case 0: // one bit
      flip(random, file, field)
      break
    case 1: // any byte
      if (file.length > 0) file[random.below(file.length)] = random.below(256)
      break
    case 2: // a number that is special anywhere
    case 3:
      write(file, field, random.of(WORDS))
      break
    case 4: // a little more or less
      write(file, field, read(file, field) + random.below(33) - 16)
      break
    case 5: // an offset or a length that could be one
      write(file, field, random.below(file.length + 16))
      break
    case 6: // what another field has: tables that overlap, or are each other
      write(file, field, read(file, random.of(fields)))
      break
    case 7: // one entry of a table over another
      copyEntry(file, at, at + random.of(ENTRIES) * (random.below(9) - 4))
      break
    case 8: // a piece of another file
      splice(random, random.of(samples), file, at)
      break
    default: // moved by a few bytes, or a run of the same byte
      if (random.oneIn(2)) file.copyWithin(at + 1 + random.below(16), at)
      else file.subarray(at, at + 4 + random.below(64)).fill(random.of([0, 0xff, 0x80]))
  }
}

/** Makes the file larger, and some of the lengths in it as large. */
function grow(random: Random, file: Buffer, into: Buffer, fields: readonly Field[]): Buffer {
  const size = random.oneIn(2) ? MAX_SIZE : file.length + random.below(MAX_SIZE - file.length)
  const grown = into.subarray(0, size)
  const rest = grown.subarray(file.length)
  if (random.oneIn(4) && file.length > 0) rest.fill(Buffer.from(file))
  else rest.fill(random.of(FILLINGS), 'latin1')
  const share = 1 + random.below(40)
  for (const field of fields) {
    if (field.width < 4 || !random.oneIn(share)) continue
    const value = read(file, field)
    if (value === 0 || value > file.length * 2) continue
    // Rather a length than an offset: what is there keeps its place.
    write(grown, field, random.of([size - file.length, size >>> 1, size / 8, size / 16, size / 24, size]))
  }
  return grown
}

function copyEntry(file: Buffer, from: number, to: number): void {
  if (to >= 0) file.copyWithin(to, from, from + Math.abs(to - from))
}

function splice(random: Random, { bytes, fields }: Sample, file: Buffer, at: number): void {
  const from = fields.length > 0 ? random.of(fields).at : 0
  bytes.copy(file, at, from, from + 1 + random.below(256))
}

function flip(random: Random, file: Buffer, { at, width }: Field): void {
  const byte = at + random.below(width)
  if (byte < file.length) file[byte] = (file[byte] ?? 0) ^ (1 << random.below(8))
}

function read(file: Buffer, { at, width }: Field): number {
  if (at + width > file.length) return 0
  return width === 8 ? file.readUInt32LE(at) : file.readUIntLE(at, width)
}

/** Of eight bytes the upper half becomes zero, unless the number is one with the sign or all bits set. */
function write(file: Buffer, { at, width }: Field, value: number): void {
  if (at + width > file.length) return
  const word = Math.floor(value) >>> 0
  if (width === 8) {
    file.writeUInt32LE(word, at)
    file.writeUInt32LE(word >= 0xfffffff8 ? 0xffffffff : word === 0x80000000 ? 0x7fffffff : 0, at + 4)
  } else file.writeUIntLE(width === 4 ? word : word % 2 ** (8 * width), at, width)
}

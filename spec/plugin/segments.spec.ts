import { expect } from 'chai'
import { Bytes, OutOfBounds } from '../../src/lib/bytes.ts'
import { PluginError } from '../../src/plugin/error.ts'
import { Segments } from '../../src/plugin/segments.ts'

const file = new Bytes(
  Uint8Array.from({ length: 64 }, (_, i) => i),
  'the file',
)
const segment = (address: number, offset: number, size: number) => ({ address, offset, size })

describe('plugin/segments', () => {
  const segments = new Segments(file, [
    segment(0x2000, 32, 16),
    segment(0x1000, 8, 16),
    segment(0x1010, 0, 8),
  ])

  it('finds a byte of the file by its address, in whatever order the segments came', () => {
    expect(segments.read(0x1000, 1, 'a byte').u8(0)).to.equal(8)
    expect(segments.read(0x100f, 1, 'a byte').u8(0)).to.equal(23)
    expect(segments.read(0x1010, 1, 'a byte').u8(0)).to.equal(0)
    expect(segments.read(0x200f, 1, 'a byte').u8(0)).to.equal(47)
  })

  it('finds nothing outside, or across the end of a segment', () => {
    for (const [address, length] of [
      [0, 1],
      [0xfff, 1],
      [0x1000, 17],
      [0x1018, 1],
      [0x1fff, 2],
      [0x2010, 1],
      [-1, 1],
      [Number.NaN, 1],
      [2 ** 64, 1],
      [0x1000, -1],
    ] as const) {
      expect(() => segments.read(address, length, 'bytes'), `${address}`).to.throw(OutOfBounds)
    }
  })

  it('reads on to the end of a segment', () => {
    expect(segments.from(0x1004, 'the rest').size).to.equal(12)
  })

  it('takes segments that share bytes of the file, and passes over empty ones', () => {
    expect(
      () => new Segments(file, [segment(0, 0, 64), segment(0x1000, 0, 64), segment(8, 999, 0)]),
    ).not.to.throw()
  })

  it('refuses segments that overlap, run out of the file, or are far too many', () => {
    expect(() => new Segments(file, [segment(0, 0, 64), segment(63, 0, 1)])).to.throw(PluginError)
    expect(() => new Segments(file, [segment(0, 1, 64)])).to.throw(OutOfBounds)
    const many = Array.from({ length: 257 }, (_, i) => segment(i, 0, 1))
    expect(() => new Segments(file, many)).to.throw(PluginError)
    expect(() => new Segments(file, many.slice(1))).not.to.throw()
  })
})

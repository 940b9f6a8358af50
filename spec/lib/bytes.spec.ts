import { expect } from 'chai'
import fc from 'fast-check'
import { Bytes, OutOfBounds } from '../../src/lib/bytes.ts'

const bytes = new Bytes(Uint8Array.of(1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff, 0x41, 0xc3, 0xbc, 0), 'the sample')

describe('lib/bytes', () => {
  it('reads little-endian numbers', () => {
    expect(bytes.u8(0)).to.equal(1)
    expect(bytes.u16(0)).to.equal(0x0201)
    expect(bytes.u32(0)).to.equal(0x04030201)
    expect(bytes.i32(4)).to.equal(-1)
    expect(bytes.word(4, 4)).to.equal(0xffffffff)
    expect(bytes.int(0, 8)).to.equal(-(2 ** 32) + 0x04030201)
  })

  it('reads big-endian numbers where asked', () => {
    expect(bytes.u32be(0)).to.equal(0x01020304)
    expect(bytes.u64be(0)).to.equal(0x01020304 * 2 ** 32 + 0xffffffff)
  })

  it('rounds what is beyond 2^53, upwards out of every file', () => {
    const all = new Bytes(new Uint8Array(8).fill(0xff), 'ones')
    expect(all.u64(0)).to.equal(2 ** 64)
    expect(() => all.u8(all.u64(0))).to.throw(OutOfBounds)
  })

  it('reads up to the last byte and no further', () => {
    for (const read of [
      (at: number) => bytes.u8(at + 3),
      (at: number) => bytes.u16(at + 2),
      (at: number) => bytes.u32(at),
      (at: number) => bytes.i32(at),
      (at: number) => bytes.u32be(at),
      (at: number) => bytes.u64(at - 4),
      (at: number) => bytes.i64(at - 4),
      (at: number) => bytes.u64be(at - 4),
      (at: number) => bytes.slice(at, 4, 'a part'),
    ]) {
      expect(() => read(8)).not.to.throw()
      expect(() => read(9)).to.throw(OutOfBounds)
    }
  })

  it('takes no strange numbers for a place', () => {
    for (const at of [-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32, 2 ** 64]) {
      expect(() => bytes.u8(at), String(at)).to.throw(OutOfBounds)
      expect(() => bytes.slice(at, 1, 'a part'), String(at)).to.throw(OutOfBounds)
      expect(() => bytes.slice(0, at, 'a part'), String(at)).to.throw(OutOfBounds)
      expect(() => bytes.nul(at), String(at)).to.throw(OutOfBounds)
      expect(bytes.startsWith('A', at), String(at)).to.equal(false)
    }
  })

  it('says what ran out of what', () => {
    expect(() => bytes.slice(10, 4, 'the table')).to.throw(
      'the table at 0xa runs out of the sample (0xc bytes)',
    )
    expect(() => bytes.slice(0, 3, 'the part').u32(0)).to.throw(
      '4 bytes at 0x0 runs out of the part (0x3 bytes)',
    )
  })

  it('does not leave a part for the whole', () => {
    const part = bytes.slice(8, 2, 'the part')
    expect(part.size).to.equal(2)
    expect(part.u8(0)).to.equal(0x41)
    expect(() => part.nul(0)).to.throw(OutOfBounds)
  })

  it('reads text', () => {
    expect(bytes.cstring(8)).to.equal('A\u00c3\u00bc')
    expect(bytes.slice(8, 3, 'text').utf8()).to.equal('Aü')
    expect(bytes.slice(8, 2, 'half a letter').utf8()).to.equal(undefined)
    expect(new Bytes(Uint8Array.of(0xef, 0xbb, 0xbf, 0x41), 'text').utf8()).to.equal('\ufeffA')
    expect(bytes.startsWith('A', 8)).to.equal(true)
    expect(bytes.startsWith('AB', 8)).to.equal(false)
  })

  it('agrees with DataView inside, and throws outside', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), fc.integer({ min: -2, max: 22 }), (array, at) => {
        const view = new DataView(array.buffer, array.byteOffset, array.byteLength)
        const sample = new Bytes(array, 'the sample')
        if (at >= 0 && at + 4 <= array.length) expect(sample.u32(at)).to.equal(view.getUint32(at, true))
        else expect(() => sample.u32(at)).to.throw(OutOfBounds)
        if (at >= 0 && at + 8 <= array.length) {
          expect(sample.u64(at)).to.equal(Number(view.getBigUint64(at, true)))
          expect(sample.i64(at)).to.equal(Number(view.getBigInt64(at, true)))
        }
      }),
    )
  })
})

import { expect } from 'chai'
import { unsnappy } from '../../src/lib/snappy.ts'

const MAX = 1 << 20

describe('lib/snappy', () => {
  for (const [what, packed, text] of [
    ['nothing', [0], ''],
    ['a short literal', [3, 0x08, 0x61, 0x62, 0x63], 'abc'],
    ['a literal with its length in a byte', [61, 0xf0, 60, ...Buffer.alloc(61, 'x')], 'x'.repeat(61)],
    ['a literal with its length in two', [61, 0xf4, 60, 0, ...Buffer.alloc(61, 'x')], 'x'.repeat(61)],
    ['a copy of one byte more', [7, 0x08, 0x61, 0x62, 0x63, 0x01, 3], 'abcabca'],
    ['a copy that repeats itself', [9, 0x00, 0x61, 0x11, 1], 'aaaaaaaaa'],
    ['a copy with an offset of two bytes', [6, 0x08, 0x61, 0x62, 0x63, 0x0a, 3, 0], 'abcabc'],
    ['a copy with an offset of four', [6, 0x08, 0x61, 0x62, 0x63, 0x0b, 3, 0, 0, 0], 'abcabc'],
  ] as const) {
    it(`unpacks ${what}`, () => {
      expect(unsnappy(Buffer.from(packed), MAX).toString()).to.equal(text)
    })
  }

  for (const [what, packed] of [
    ['no size', []],
    ['a size without an end', [0x80]],
    ['a size beyond the limit', [0x81, 0x80, 0x40]],
    ['a literal that is cut off', [3, 0x08, 0x61]],
    ['a literal longer than the size', [1, 0x08, 0x61, 0x62, 0x63]],
    ['less than its size', [4, 0x08, 0x61, 0x62, 0x63]],
    ['a copy of what is not there yet', [7, 0x08, 0x61, 0x62, 0x63, 0x01, 4]],
    ['a copy of itself', [7, 0x08, 0x61, 0x62, 0x63, 0x01, 0]],
    ['a copy longer than the size', [4, 0x08, 0x61, 0x62, 0x63, 0x01, 3]],
    ['a copy without its offset', [7, 0x08, 0x61, 0x62, 0x63, 0x01]],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(() => unsnappy(Buffer.from(packed), MAX)).to.throw(RangeError)
    })
  }

  it('refuses or unpacks whatever it is given', () => {
    const packed = Buffer.from([9, 0x08, 0x61, 0x62, 0x63, 0x09, 3])
    for (let at = 0; at < packed.length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        const other = Buffer.from(packed)
        other[at] = byte
        try {
          expect(unsnappy(other, MAX).length).to.be.at.most(MAX)
        } catch (error) {
          expect(error).to.be.instanceOf(RangeError)
        }
      }
    }
  })
})

import { expect } from 'chai'
import fc from 'fast-check'
import { decode, encode, ORDER } from '../../src/signature/der.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')
const byte = fc.nat(255)
const scalar = fc.bigInt({ min: 1n, max: ORDER - 1n })
const n = ORDER.toString(16)

const WELL_FORMED: [what: string, der: string, r: bigint, s: bigint][] = [
  ['the smallest', '30 06 02 01 01 02 01 01', 1n, 1n],
  ['one byte below the sign bit', '30 06 02 01 7f 02 01 7f', 127n, 127n],
  ['one byte with the sign bit', '30 08 02 02 00 80 02 02 00 ff', 128n, 255n],
  ['an odd number of digits', '30 07 02 02 01 00 02 01 02', 256n, 2n],
  ['the largest', `30 46 02 21 00 ${n.slice(0, -1)}0 02 21 00 ${n.slice(0, -1)}0`, ORDER - 1n, ORDER - 1n],
]

const MALFORMED: [what: string, der: string][] = [
  ['nothing', ''],
  ['a tag alone', '30'],
  ['an empty sequence', '30 00'],
  ['one integer', '30 03 02 01 01'],
  ['three integers', '30 09 02 01 01 02 01 01 02 01 01'],
  ['r missing', '30 05 02 00 02 01 01'],
  ['s missing', '30 05 02 01 01 02 00'],
  ['a set for the sequence', '31 06 02 01 01 02 01 01'],
  ['a primitive tag for the sequence', '10 06 02 01 01 02 01 01'],
  ['another tag for r', '30 06 03 01 01 02 01 01'],
  ['another tag for s', '30 06 02 01 01 0a 01 01'],
  ['a constructed integer', '30 06 22 01 01 02 01 01'],
  ['r of 0', '30 06 02 01 00 02 01 01'],
  ['s of 0', '30 06 02 01 01 02 01 00'],
  ['a negative r', '30 06 02 01 ff 02 01 01'],
  ['a negative s', '30 06 02 01 01 02 01 80'],
  ['a zero before r that needs none', '30 07 02 02 00 01 02 01 01'],
  ['a zero before s that needs none', '30 07 02 01 01 02 02 00 7f'],
  ['two zeros where one is due', '30 08 02 03 00 00 80 02 01 01'],
  ['a byte after the sequence', '30 06 02 01 01 02 01 01 00'],
  ['a byte after s inside the sequence', '30 07 02 01 01 02 01 01 00'],
  ['a sequence that is too long', '30 07 02 01 01 02 01 01'],
  ['a sequence that is too short', '30 05 02 01 01 02 01 01'],
  ['the length of the sequence in the long form', '30 81 06 02 01 01 02 01 01'],
  ['the length of r in the long form', '30 07 02 81 01 01 02 01 01'],
  ['the length of s in the long form', '30 07 02 01 01 02 81 01 01'],
  ['the indefinite length', '30 80 02 01 01 02 01 01 00 00'],
  ['r that runs into s', '30 06 02 04 01 02 01 01'],
  ['r that runs out of the bytes', '30 06 02 7f 01 02 01 01'],
  ['s that runs out of the bytes', '30 06 02 01 01 02 02 01'],
  ['r of n', `30 26 02 21 00 ${n} 02 01 01`],
  ['s of n', `30 26 02 01 01 02 21 00 ${n}`],
  ['r of 2^256 + 1', `30 26 02 21 01 ${'00'.repeat(31)} 01 02 01 01`],
  ['r and s of 64 bytes without DER', '11'.repeat(64)],
]

describe('signature/der', () => {
  describe('decode', () => {
    for (const [what, der, r, s] of WELL_FORMED) {
      it(`reads ${what}`, () => expect(decode(hex(der))).to.deep.equal({ r, s }))
    }

    for (const [what, der] of MALFORMED) {
      it(`refuses ${what}`, () => expect(decode(hex(der))).to.equal(undefined))
    }

    it('refuses every truncation', () => {
      const der = encode({ r: ORDER - 1n, s: ORDER >> 9n })
      for (let end = 0; end < der.length; end++) expect(decode(der.subarray(0, end))).to.equal(undefined)
    })

    it('never throws, and reads only what it would write', () => {
      const header = fc.tuple(fc.constant(0x30), byte, fc.constant(2), byte)
      const near = fc.tuple(header, fc.array(byte, { maxLength: 80 })).map(parts => parts.flat())
      fc.assert(
        fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), near.map(Buffer.from)), bytes => {
          const value = decode(bytes)
          if (value) expect(encode(value).equals(bytes)).to.equal(true)
        }),
        { numRuns: 2000 },
      )
    })
  })

  describe('encode', () => {
    for (const [what, der, r, s] of WELL_FORMED) {
      it(`writes ${what}`, () => expect(encode({ r, s })).to.deep.equal(hex(der)))
    }

    it('is undone by decode', () => {
      fc.assert(
        fc.property(scalar, scalar, (r, s) => {
          expect(decode(encode({ r, s }))).to.deep.equal({ r, s })
        }),
      )
    })

    it('has no other bytes for the same numbers', () => {
      const change = fc.record({ at: fc.nat(71), by: fc.integer({ min: 1, max: 255 }) })
      fc.assert(
        fc.property(scalar, scalar, change, (r, s, { at, by }) => {
          const der = encode({ r, s })
          der[at % der.length] = (der[at % der.length] ?? 0) ^ by
          expect(decode(der)).to.not.deep.equal({ r, s })
        }),
      )
    })
  })
})

import { expect } from 'chai'
import fc from 'fast-check'
import { encode, ORDER } from '../../src/signature/der.ts'
import { parseSignature } from '../../src/signature/signature.ts'

const HALF = ORDER / 2n
const hexOf = (r: bigint, s: bigint) => encode({ r, s }).toString('hex')

describe('signature/signature', () => {
  it('keeps the text of a low-S signature, whatever its case', () => {
    for (const text of ['300602017f02010a', '300602017F02010A', '300602017f02010A']) {
      expect(parseSignature(text)).to.deep.equal({ r: 127n, s: 10n, hex: text })
    }
  })

  it('turns a high-S signature into the low-S one, in lower case', () => {
    const expected = { r: 127n, s: 10n, hex: '300602017f02010a' }
    expect(parseSignature(hexOf(127n, ORDER - 10n))).to.deep.equal(expected)
    expect(parseSignature(hexOf(127n, ORDER - 10n).toUpperCase())).to.deep.equal(expected)
  })

  it('has its border between n / 2 and the number above', () => {
    const border = hexOf(1n, HALF)
    expect(parseSignature(border)?.hex).to.equal(border)
    expect(parseSignature(hexOf(1n, HALF + 1n))?.hex).to.equal(border)
  })

  it('stores a form that it would store again', () => {
    const scalar = fc.bigInt({ min: 1n, max: ORDER - 1n })
    fc.assert(
      fc.property(scalar, scalar, (r, s) => {
        const signature = parseSignature(hexOf(r, s))
        expect(signature?.s).to.equal(s > HALF ? ORDER - s : s)
        expect(parseSignature(signature?.hex ?? '')).to.deep.equal(signature)
      }),
    )
  })

  const good = '3006020101020101'
  const bad: [what: string, text: string][] = [
    ['an empty text', ''],
    ['an odd number of digits', good.slice(1)],
    ['a digit that is none', `${good.slice(0, -1)}g`],
    ['a prefix', `0x${good}`],
    ['a space before', ` ${good}`],
    ['a line end after', `${good}\n`],
    ['space within', '30 06 02 01 01 02 01 01'],
    ['digits of another script', good.replaceAll('1', '１')],
    ['Base64', Buffer.from(good, 'hex').toString('base64')],
    ['a byte after it', `${good}00`],
    ['hex that is no DER', 'ff'.repeat(70)],
    ['a text of megabytes', good.repeat(1 << 18)],
  ]
  for (const [what, text] of bad) {
    it(`refuses ${what}`, () => expect(parseSignature(text)).to.equal(undefined))
  }

  it('never throws', () => {
    const hexText = fc.uint8Array({ maxLength: 90 }).map(bytes => Buffer.from(bytes).toString('hex'))
    fc.assert(fc.property(fc.oneof(fc.string(), hexText), text => void parseSignature(text)))
  })
})

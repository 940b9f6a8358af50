import { expect } from 'chai'
import fc from 'fast-check'
import { parseStrictJson as parseBytes } from '../../src/oci/strict-json.ts'
import { processorMs } from '../support/processor-time.ts'

const parseStrictJson = (text: string) => parseBytes(Buffer.from(text))

describe('parseStrictJson', () => {
  it('reads what JSON.parse reads, where no name stands twice', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), value => {
        const text = JSON.stringify(value)
        expect(parseStrictJson(text)).to.deep.equal(JSON.parse(text))
      }),
    )
  })

  const twice: [string, string][] = [
    ['beside each other', '{"a":1,"a":1}'],
    ['with another between them', '{"a":1,"b":2,"a":3}'],
    ['one of them escaped', '{"a":1,"\\u0061":2}'],
    ['deep inside', '{"x":[{"y":{"a":1,"a":2}}]}'],
    ['behind an object that has it too', '{"a":{"a":1},"a":2}'],
    ['spelled __proto__', '{"__proto__":1,"__proto__":2}'],
  ]
  for (const [how, text] of twice) {
    it(`refuses a name that stands twice: ${how}`, () => {
      expect(() => parseStrictJson(text)).to.throw(SyntaxError, 'stands twice')
    })
  }

  const once: [string, string][] = [
    ['in objects beside each other', '[{"a":1},{"a":1}]'],
    ['in an object and in one inside it', '{"a":{"a":{"a":1}}}'],
    ['as a name and as a value', '{"a":"a","b":"a"}'],
    ['where a value looks like structure', '{"a":"\\",\\"a\\":{","b":"}"}'],
  ]
  for (const [how, text] of once) {
    it(`takes the same name ${how}`, () => {
      expect(parseStrictJson(text)).to.deep.equal(JSON.parse(text))
    })
  }

  it('takes 100 levels and refuses 101, and 100,000 as well', () => {
    const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
    expect(parseStrictJson(nested(100))).to.be.an('array')
    for (const levels of [101, 100_000])
      expect(() => parseStrictJson(nested(levels))).to.throw(SyntaxError, 'deep')
  })

  it('takes twice as long for twice the text, not four times', () => {
    const time = (n: number) => {
      const text = `{"a":"${'\\\\'.repeat(n)}"}`
      return processorMs(() => parseStrictJson(text))
    }
    time(200_000)
    const short = Math.min(...[1, 2, 3].map(() => time(200_000)))
    const long = Math.min(...[1, 2, 3].map(() => time(1_600_000)))
    expect(long / short).to.be.below(8 * 4)
  })
})

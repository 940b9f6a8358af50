import { expect } from 'chai'
import fc from 'fast-check'
import type { Scan } from '../../src/index/contract.ts'
import { decodeKey, descendingI32, descendingNanos, encodeKey, keyRange } from '../../src/index/keys.ts'

const bytewise = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** Parts as keys have them: no control characters. Beyond U+FFFF JavaScript's order is not that of the bytes. */
const part = fc.string({ unit: fc.constantFrom('a', 'b', ' ', 'é', '\uff5e', '😀'), maxLength: 3 })

/** What the contract says, key by key. */
function selected(key: readonly string[], parts: readonly string[], { after, partial = '' }: Scan): boolean {
  const next = key[parts.length]
  return (
    next !== undefined &&
    parts.every((whole, i) => key[i] === whole) &&
    next.startsWith(partial) &&
    (after === undefined || bytewise(next, after) > 0)
  )
}

describe('index/keys', () => {
  it('takes its own keys apart', () => {
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), parts => {
        expect(decodeKey(encodeKey('table', parts))).to.deep.equal(parts)
      }),
    )
  })

  it('orders keys part by part, so that a part sorts before what begins with it', () => {
    const keys = [
      ['a'],
      ['a', ''],
      ['a', 'z'],
      ['a '],
      ['a ', 'a'],
      ['a-b', 'a'],
      ['aa'],
      ['é'],
      ['\uff5e'],
      ['😀'],
    ].map(parts => encodeKey('t', parts))
    expect([...keys].reverse().sort(bytewise)).to.deep.equal(keys)
  })

  for (const [what, parts, scan, key, expected] of [
    ['a row below', ['a'], {}, ['a', 'b'], true],
    ['a row far below', ['a'], {}, ['a', 'b', 'c'], true],
    ['an empty part', ['a'], {}, ['a', ''], true],
    ['the row itself', ['a'], {}, ['a'], false],
    ['a neighbour that begins alike', ['a'], {}, ['ab', 'c'], false],
    ['all rows of the table', [], {}, ['a'], true],
    ['what is behind', ['a'], { after: 'b' }, ['a', 'c'], true],
    ['what `after` names', ['a'], { after: 'b' }, ['a', 'b'], false],
    ['what is below that which `after` names', ['a'], { after: 'b' }, ['a', 'b', 'z'], false],
    ['what begins with it', ['a'], { after: 'b' }, ['a', 'b '], true],
    ['all but the empty part', ['a'], { after: '' }, ['a', ' '], true],
    ['the empty part', ['a'], { after: '' }, ['a', ''], false],
    ['the beginning', ['a'], { partial: 'b' }, ['a', 'bc'], true],
    ['no more than the beginning', ['a'], { partial: 'b' }, ['a', 'b'], true],
    ['another beginning', ['a'], { partial: 'b' }, ['a', 'cb'], false],
    ['the beginning in a later part', ['a'], { partial: 'b' }, ['a', 'c', 'b'], false],
  ] as const) {
    it(`${expected ? 'takes' : 'leaves out'} ${what}`, () => {
      const { gte, lt } = keyRange('t', parts, scan)
      const encoded = encodeKey('t', key)
      expect(bytewise(encoded, gte) >= 0 && bytewise(encoded, lt) < 0).to.equal(expected)
    })
  }

  it('bounds just the keys that are asked for', () => {
    const keys = fc.array(part, { minLength: 1, maxLength: 3 })
    const scan = fc.record({ after: part, partial: part }, { requiredKeys: [] }) as fc.Arbitrary<Scan>
    fc.assert(
      fc.property(keys, fc.array(part, { maxLength: 2 }), scan, (key, parts, options) => {
        const { gte, lt } = keyRange('t', parts, options)
        const encoded = encodeKey('t', key)
        const inside = bytewise(encoded, gte) >= 0 && bytewise(encoded, lt) < 0
        expect(inside).to.equal(selected(key, parts, options))
      }),
      { numRuns: 3000 },
    )
  })

  it('keeps tables apart whose names begin alike', () => {
    const { gte, lt } = keyRange('variant', [])
    const other = encodeKey('variant-digest', ['a'])
    expect(bytewise(other, gte) >= 0 && bytewise(other, lt) < 0).to.equal(false)
  })

  describe('numbers that sort the larger first', () => {
    it('are of one width and in reverse order, i32', () => {
      const i32 = fc.oneof(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.integer({ min: -9, max: 9 }))
      fc.assert(
        fc.property(i32, i32, (a, b) => {
          expect(descendingI32(a)).to.have.length(8)
          expect(Math.sign(bytewise(descendingI32(a), descendingI32(b)))).to.equal(Math.sign(b - a))
        }),
      )
      expect(descendingI32(2 ** 31 - 1)).to.equal('00000000')
      expect(descendingI32(-(2 ** 31))).to.equal('ffffffff')
    })

    it('are of one width and in reverse order, nanoseconds', () => {
      const nanos = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })
      fc.assert(
        fc.property(nanos, nanos, (a, b) => {
          expect(descendingNanos(a)).to.have.length(16)
          const order = a > b ? -1 : a < b ? 1 : 0
          expect(Math.sign(bytewise(descendingNanos(a), descendingNanos(b)))).to.equal(order)
        }),
      )
      expect(descendingNanos(0n)).to.equal('7fffffffffffffff')
    })
  })
})

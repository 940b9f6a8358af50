import { expect } from 'chai'
import fc from 'fast-check'
import { del, type Op, put } from '../../src/index/contract.ts'
import { bytewise, encodeKey, keyRange } from '../../src/index/keys.ts'
import { Ops } from '../../src/index/ops.ts'
import { NEXT, PAIRS } from '../contracts/index.ts'

const part = fc.string({ unit: fc.constantFrom('a', 'b', ' ', 'é', '\uff5e', '😀'), maxLength: 3 })
const names = fc.array(part, { minLength: 1, maxLength: 4 })

describe('index/ops', () => {
  it('returns ranges as a sorted list of the same changes does', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom('put', 'del'), first: part, second: part }),
      fc.record({ kind: fc.constantFrom('forget'), nth: fc.nat(40) }),
      fc.record({
        kind: fc.constantFrom('range'),
        parts: fc.oneof(fc.constant([]), names),
        limit: fc.nat(5),
        after: fc.option(part, { nil: undefined }),
      }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        const ops = new Ops()
        const naive = new Map<string, Op>()
        for (const one of steps) {
          if ('first' in one) {
            const key: [string, string] = [one.first, one.second]
            const op = one.kind === 'put' ? put(PAIRS, key, naive.size) : del(PAIRS, key)
            ops.set(op)
            naive.set(encodeKey(PAIRS.prefix, key), op)
          } else if ('nth' in one) {
            const [key, op] = [...naive][one.nth] ?? []
            if (!key || !op) continue
            ops.delete(key, op)
            naive.delete(key)
          } else {
            const { gte, lt } = keyRange(PAIRS.prefix, one.parts, { after: one.after })
            const expected = [...naive]
              .filter(([key]) => bytewise(key, gte) >= 0 && bytewise(key, lt) < 0)
              .sort(([a], [b]) => bytewise(a, b))
              .slice(0, one.limit)
            expect(ops.range(PAIRS.prefix, gte, lt, one.limit)).to.deep.equal(expected)
          }
        }
        expect([...ops.values()]).to.have.members([...naive.values()])
      }),
      { numRuns: 500 },
    )
  })

  it('keeps many changes in order while they come and go', () => {
    const ops = new Ops()
    const names = new Set<string>()
    const { gte, lt } = keyRange(NEXT.prefix, [])
    const changes: [string, Op][] = []
    // 7919 and 5000 have no common divisor, so every name comes once, far from the one before it.
    for (let i = 0; i < 5000; i++) {
      const name = `${(i * 7919) % 5000}`.padStart(4, '0')
      const op = put(NEXT, [name], i)
      changes.push([ops.set(op), op])
      names.add(name)
      if (i % 3 === 0) ops.range(NEXT.prefix, gte, lt, 1)
      if (i % 4 === 3) {
        const [[key, gone]] = changes.splice(i >> 1, 1) as [[string, Op]]
        ops.delete(key, gone)
        names.delete(gone.key[0] as string)
      }
    }
    const left = ops.range(NEXT.prefix, gte, lt, Number.POSITIVE_INFINITY)
    expect(left.map(([, { key }]) => key[0])).to.deep.equal([...names].sort())
    for (const [key, op] of changes) ops.delete(key, op)
    expect(ops.range(NEXT.prefix, gte, lt, Number.POSITIVE_INFINITY)).to.deep.equal([])
  })

  it('forgets a change only if no later one of the row has come', () => {
    const ops = new Ops()
    const first = put(NEXT, ['a'], 1)
    const key = ops.set(first)
    ops.set(put(NEXT, ['a'], 2))
    ops.delete(key, first)
    expect(ops.get(key)?.row).to.equal(2)
  })
})

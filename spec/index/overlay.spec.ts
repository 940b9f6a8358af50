import { expect } from 'chai'
import fc from 'fast-check'
import { del, put } from '../../src/index/contract.ts'
import { LevelIndex } from '../../src/index/level-index.ts'
import { Ops } from '../../src/index/ops.ts'
import { Overlay } from '../../src/index/overlay.ts'
import { all, NEXT } from '../contracts/index.ts'
import { tmpDir } from '../support/tmp.ts'

describe('index/overlay', () => {
  const fresh = tmpDir()

  it('shows the changes of the moment at which it is asked, also those that are through before it answers', async () => {
    const index = await LevelIndex.open(await fresh())
    await index.apply([put(NEXT, ['a'], 1), put(NEXT, ['b'], 1)])
    const changes = [del(NEXT, ['a']), put(NEXT, ['b'], 2)]
    const ops = new Ops()
    for (const op of changes) ops.set(op)
    const overlay = new Overlay(index, ops)
    const answers = [
      overlay.page(NEXT, []),
      overlay.page(NEXT, [], { limit: 1 }),
      all(overlay.scan(NEXT, [])),
    ]
    ops.clear()
    const expected = [{ key: ['b'], row: 2 }]
    expect(await Promise.all(answers)).to.deep.equal([expected, expected, expected])
    await index.close()
  })

  it('returns pages as if its changes were made, whatever they remove', async () => {
    const index = await LevelIndex.open(await fresh())
    const names = Array.from({ length: 150 }, (_, i) => `${i}`.padStart(3, '0'))
    await index.apply(names.filter((_, i) => i % 5 > 0).map(name => put(NEXT, [name], 0)))
    const run = fc.record({
      from: fc.nat(149),
      count: fc.nat(120),
      row: fc.option(fc.nat(9), { nil: undefined }),
    })
    const asked = fc.record({ after: fc.constantFrom(...names), limit: fc.nat(40) })
    await fc.assert(
      fc.asyncProperty(
        fc.array(run, { maxLength: 5 }),
        fc.array(asked, { minLength: 1 }),
        async (runs, pages) => {
          const ops = new Ops()
          const rows = new Map((await index.page(NEXT, [])).map(({ key, row }) => [key[0], row]))
          for (const { from, count, row } of runs) {
            for (const name of names.slice(from, from + count)) {
              ops.set(row === undefined ? del(NEXT, [name]) : put(NEXT, [name], row))
              if (row === undefined) rows.delete(name)
              else rows.set(name, row)
            }
          }
          const overlay = new Overlay(index, ops)
          const expected = [...rows].sort().map(([name, row]) => ({ key: [name], row }))
          expect(await overlay.page(NEXT, [])).to.deep.equal(expected)
          expect(await all(overlay.scan(NEXT, []))).to.deep.equal(expected)
          for (const { after, limit } of pages) {
            const behind = expected.filter(({ key }) => (key[0] as string) > after).slice(0, limit)
            expect(await overlay.page(NEXT, [], { after, limit })).to.deep.equal(behind)
          }
        },
      ),
      { numRuns: 100 },
    )
    await index.close()
  })
})

import { expect } from 'chai'
import { joined, split } from '../../src/documents/split.ts'

const many = <T>(count: number, make: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n))

describe('documents/split', () => {
  const OBJECTS: Record<string, Record<string, unknown>> = {
    'an empty object': {},
    'an empty list': { list: [], more: 1 },
    'lists of all kinds': {
      a: many(5000, n => ({ n, text: `ä"${n}` })),
      b: many(20_000, n => n),
      c: [null, 'x', [1]],
    },
    'members that are no lists': { a: { b: [1, 2] }, c: 'x', d: null },
    'an element that is larger than a chunk': { a: ['x'.repeat(100_000), 1, 'y'.repeat(100_000)] },
    'a member with the name __proto__': JSON.parse('{"__proto__":[1],"a":{"__proto__":1}}'),
  }

  for (const [what, object] of Object.entries(OBJECTS)) {
    it(`${what} is joined again as it was`, async () => {
      const again = await joined(structuredClone(split(object)))
      expect(JSON.stringify(again)).to.equal(JSON.stringify(object))
    })
  }

  it('a chunk has some 32 KiB, and other work is done after each one', async () => {
    const parts = split({ a: many(10_000, n => ({ n, text: 'x'.repeat(50) })) })
    const chunks = parts.lists.flatMap(list => list.chunks)
    expect(chunks.length).to.be.above(15)
    for (const { length } of chunks) expect(length).to.be.below(40_000)
    let turns = 0
    let joining = true
    const turn = () => {
      turns++
      if (joining) setImmediate(turn)
    }
    setImmediate(turn)
    await joined(parts)
    joining = false
    expect(turns).to.be.at.least(chunks.length)
  })
})

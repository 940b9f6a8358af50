import { expect } from 'chai'
import { del, put } from '../../src/index/contract.ts'
import { encodeKey } from '../../src/index/keys.ts'
import { LevelIndex } from '../../src/index/level-index.ts'
import { Overlay } from '../../src/index/overlay.ts'
import { all, NEXT } from '../contracts/index.ts'
import { tmpDir } from '../support/tmp.ts'

describe('index/overlay', () => {
  const fresh = tmpDir()

  it('shows the changes of the moment at which it is asked, also those that are through before it answers', async () => {
    const index = await LevelIndex.open(await fresh())
    await index.apply([put(NEXT, ['a'], 1), put(NEXT, ['b'], 1)])
    const changes = [del(NEXT, ['a']), put(NEXT, ['b'], 2)]
    const ops = new Map(changes.map(op => [encodeKey(NEXT.prefix, op.key), op]))
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
})

import { expect } from 'chai'
import { dropOldest } from '../../src/lib/drop-oldest.ts'

describe('lib/drop-oldest', () => {
  it('removes what came first if there is too much, and nothing otherwise', () => {
    const map = new Map([
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ])
    dropOldest(map, 3)
    expect([...map.keys()]).to.deep.equal(['a', 'b', 'c'])
    dropOldest(map, 2)
    expect([...map.keys()]).to.deep.equal(['b', 'c'])
  })
})

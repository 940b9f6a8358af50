import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { ExpiringSet } from '../../src/lib/expiring-set.ts'

describe('lib/expiring-set', () => {
  it('has what was added, for its time', async () => {
    const set = new ExpiringSet(10)
    set.add('short', 5)
    set.add('long', 60_000)
    expect(set.has('long')).to.equal(true)
    expect(set.has('other')).to.equal(false)
    await sleep(10)
    expect(set.has('short')).to.equal(false)
    expect(set.has('long')).to.equal(true)
  })

  it('is full -> what came first goes; what is added again came last', () => {
    const set = new ExpiringSet(2)
    for (const text of ['a', 'b', 'a', 'c']) set.add(text, 60_000)
    expect(['a', 'b', 'c'].filter(text => set.has(text))).to.deep.equal(['a', 'c'])
  })
})

import { expect } from 'chai'
import { ExpiringMap } from '../../src/lib/expiring-map.ts'

describe('lib/expiring-map', () => {
  it('has what was set, for its time', () => {
    const map = new ExpiringMap<string>(10)
    map.set('over', 'a', 0)
    map.set('long', 'b', 60_000)
    expect(map.get('long')).to.equal('b')
    expect(map.get('other')).to.equal(undefined)
    expect(map.get('over')).to.equal(undefined)
    map.set('long', 'c', 60_000)
    expect(map.get('long')).to.equal('c')
  })

  it('is full -> what came first goes; what is set again came last', () => {
    const map = new ExpiringMap<true>(2)
    for (const text of ['a', 'b', 'a', 'c']) map.set(text, true, 60_000)
    expect(['a', 'b', 'c'].filter(text => map.get(text))).to.deep.equal(['a', 'c'])
  })
})

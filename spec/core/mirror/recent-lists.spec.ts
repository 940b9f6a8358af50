import { expect } from 'chai'
import { RecentLists } from '../../../src/core/mirror/recent-lists.ts'

describe('core/mirror/recent-lists', () => {
  it('have the list that came last, with its age', () => {
    const lists = new RecentLists<string[]>()
    lists.set('a', ['old'])
    lists.set('a', ['new'])
    expect(lists.get('a')).to.deep.equal({ list: ['new'], age: 0 })
    expect(lists.get('b')).to.equal(undefined)
  })

  it('keep no list of more than a mebibyte, nor the one before it', () => {
    const lists = new RecentLists<string>()
    lists.set('a', 'old')
    lists.set('a', 'x'.repeat(1024 * 1024))
    expect(lists.get('a')).to.equal(undefined)
  })

  it('take 16 MiB at most: the oldest go first', () => {
    const lists = new RecentLists<string>()
    for (let i = 0; i < 40; i++) lists.set(`${i}`, 'x'.repeat(500_000))
    const kept = Array.from({ length: 40 }, (_, i) => i).filter(i => lists.get(`${i}`))
    expect(kept.at(0)).to.equal(7)
    expect(kept).to.have.length(33)
  })
})

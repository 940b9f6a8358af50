import { expect } from 'chai'
import { Turns } from '../../src/lib/turns.ts'

describe('lib/turns', () => {
  const all = (turns: Turns<string>) => {
    const items: string[] = []
    for (let item = turns.next(); item !== undefined; item = turns.next()) items.push(item)
    return items
  }

  it('a queue with one owner keeps the order of its items', () => {
    const turns = new Turns<string>()
    for (const item of ['1', '2', '3']) turns.add('a', item)
    expect(all(turns)).to.deep.equal(['1', '2', '3'])
  })

  it('owners take turns, however many items one of them has', () => {
    const turns = new Turns<string>()
    for (let i = 0; i < 5; i++) turns.add('a', `a${i}`)
    turns.add('b', 'b0')
    turns.add('c', 'c0')
    turns.add('b', 'b1')
    expect(all(turns)).to.deep.equal(['a0', 'b0', 'c0', 'a1', 'b1', 'a2', 'a3', 'a4'])
  })

  it('an owner that comes later waits for one item of each other owner', () => {
    const turns = new Turns<string>()
    for (let i = 0; i < 3; i++) turns.add('a', `a${i}`)
    expect(turns.next()).to.equal('a0')
    turns.add('b', 'b0')
    expect(all(turns)).to.deep.equal(['a1', 'b0', 'a2'])
  })

  it('a queue tells which items an owner has in it', () => {
    const turns = new Turns<string>()
    turns.add('a', 'a0')
    turns.add('a', 'a1')
    turns.next()
    expect(turns.waiting('a')).to.deep.equal(['a1'])
    expect(turns.waiting('b')).to.deep.equal([])
    turns.next()
    expect(turns.next()).to.equal(undefined)
  })
})

import { expect } from 'chai'
import { Slots } from '../../src/remote/slots.ts'

describe('remote/slots', () => {
  it('lets the next in line in when a slot is given back, each in its turn', async () => {
    const slots = new Slots(1, 10_000)
    const order: string[] = []
    const first = await slots.take()
    const entered = ['second', 'third'].map(async name => {
      const release = await slots.take()
      order.push(name)
      release?.()
    })
    expect(order).to.deep.equal([])
    first?.()
    await Promise.all(entered)
    expect(order).to.deep.equal(['second', 'third'])
    expect(await slots.take()).to.be.a('function')
  })

  it('sends away who has waited too long, and keeps the place of nobody', async () => {
    const slots = new Slots(1, 20)
    const release = await slots.take()
    expect(await slots.take()).to.equal(undefined)
    release?.()
    expect(await slots.take()).to.be.a('function')
  })

  it('a slot that is given back twice is one', async () => {
    const slots = new Slots(1, 20)
    const release = await slots.take()
    release?.()
    release?.()
    await slots.take()
    expect(await slots.take()).to.equal(undefined)
  })
})

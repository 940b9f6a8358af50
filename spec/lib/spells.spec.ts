import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { Spells } from '../../src/lib/spells.ts'

function work(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

describe('lib/spells', () => {
  it('work that is long enough -> gives others a turn, gently as long as it took', async () => {
    const spells = new Spells(true)
    work(40)
    const began = performance.now()
    await spells.breathe()
    expect(performance.now() - began).to.be.at.least(35)
  })

  it('a short step -> goes on at once', async () => {
    const spells = new Spells(true)
    let turn = false
    setImmediate(() => {
      turn = true
    })
    await spells.breathe()
    expect(turn).to.equal(false)
  })

  it('that is to stop -> throws, also while it rests', async () => {
    const stop = new AbortController()
    const spells = new Spells(true, stop.signal)
    work(200)
    const rest = spells.breathe().catch(error => error)
    await sleep(1)
    stop.abort()
    expect(await rest).to.have.property('name', 'AbortError')
    expect(await spells.breathe().catch(error => error)).to.have.property('name', 'AbortError')
  })
})

import { expect } from 'chai'
import { Pace } from '../../src/lib/pace.ts'

describe('lib/pace', () => {
  it('lets so many bytes through a second', async () => {
    const pace = new Pace(1_000_000, new AbortController().signal)
    const begun = performance.now()
    for (let i = 0; i < 20; i++) await pace.spend(10_000)
    expect(performance.now() - begun).to.be.within(195, 1000)
  })

  it('does not make up for time in which nothing was asked for', async () => {
    const pace = new Pace(1_000_000, new AbortController().signal)
    await pace.spend(1)
    await new Promise(resolve => setTimeout(resolve, 100))
    const begun = performance.now()
    await pace.spend(50_000)
    expect(performance.now() - begun).to.be.at.least(48)
  })

  it('ends at once when it is to stop', async () => {
    const stop = new AbortController()
    const pace = new Pace(1, stop.signal)
    const waiting = pace.spend(1_000_000).catch(error => error.name)
    stop.abort()
    expect(await waiting).to.equal('AbortError')
    expect(await pace.spend(0).catch(error => error.name)).to.equal('AbortError')
  })
})

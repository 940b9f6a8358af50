import { expect } from 'chai'
import { Pace } from '../../src/lib/pace.ts'

describe('lib/pace', () => {
  /** A pace of a million bytes a second on a clock that goes on by waiting alone. */
  function paced(): { pace: Pace; clock: { time: number } } {
    const clock = { time: 1000 }
    const timing = {
      now: () => clock.time,
      wait: async (time: number) => {
        clock.time += time
      },
    }
    return { pace: new Pace(1_000_000, new AbortController().signal, timing), clock }
  }

  it('lets so many bytes through a second', async () => {
    const { pace, clock } = paced()
    for (let i = 0; i < 20; i++) await pace.spend(10_000)
    expect(clock.time).to.be.closeTo(1200, 0.001)
  })

  it('makes up for time that its work took', async () => {
    const { pace, clock } = paced()
    await pace.spend(100_000)
    clock.time += 50
    await pace.spend(100_000)
    expect(clock.time).to.be.closeTo(1250, 0.001)
  })

  it('does not make up for time in which nothing was asked for', async () => {
    const { pace, clock } = paced()
    await pace.spend(1)
    clock.time += 100
    const begun = clock.time
    await pace.spend(50_000)
    expect(clock.time - begun).to.be.closeTo(50, 0.001)
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

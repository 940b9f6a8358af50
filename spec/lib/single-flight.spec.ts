import { expect } from 'chai'
import { SingleFlight } from '../../src/lib/single-flight.ts'

describe('lib/single-flight', () => {
  it('the same key at once -> one run, one outcome; later another', async () => {
    const flights = new SingleFlight<number>()
    let runs = 0
    const run = (key: string) => flights.run(key, async () => ++runs)
    expect(await Promise.all([run('a'), run('a'), run('b')])).to.deep.equal([1, 1, 2])
    expect(await run('a')).to.equal(3)
  })

  it('a failure -> all who wait, and nobody later', async () => {
    const flights = new SingleFlight<string>()
    const fail = () => flights.run('a', () => Promise.reject(new Error('no')))
    const failures = await Promise.allSettled([fail(), fail()])
    expect(failures.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected'])
    expect(await flights.run('a', async () => 'well')).to.equal('well')
  })

  it('is settled when all that runs has ended', async () => {
    const flights = new SingleFlight<void>()
    let ended = 0
    const failing = flights.run('a', async () => {
      await new Promise(resolve => setTimeout(resolve, 5))
      ended++
      throw new Error('no')
    })
    failing.catch(() => {})
    await flights.settled()
    expect(ended).to.equal(1)
  })
})

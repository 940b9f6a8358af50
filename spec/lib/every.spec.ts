import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { every } from '../../src/lib/every.ts'

describe('lib/every', () => {
  it('runs the work again and again, one at a time, until it is stopped', async () => {
    let runs = 0
    let inside = 0
    const timer = every(1, async () => {
      expect(++inside).to.equal(1)
      await sleep(2)
      inside--
      runs++
    })
    while (runs < 3) await sleep(1)
    await timer.stop()
    const then = runs
    await sleep(20)
    expect(runs).to.equal(then)
  })

  it('tells work under way to stop, and waits for it', async () => {
    const log: string[] = []
    const timer = every(1, async signal => {
      log.push('begun')
      await sleep(60_000, undefined, { signal }).catch(() => {})
      log.push('ended')
    })
    while (log.length === 0) await sleep(1)
    await timer.stop()
    expect(log).to.deep.equal(['begun', 'ended'])
  })

  it('never runs where the time between is infinite', async () => {
    let runs = 0
    const timer = every(Number.POSITIVE_INFINITY, async () => {
      runs++
    })
    await sleep(10)
    await timer.stop()
    expect(runs).to.equal(0)
  })

  it('can be stopped before the first time, and twice', async () => {
    const timer = every(3_600_000, () => Promise.reject(new Error('too early')))
    await timer.stop()
    await timer.stop()
  })
})

import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { WorkLimit } from '../../src/lib/work-limit.ts'
import { until } from '../support/until.ts'

describe('lib/work-limit', () => {
  let clock: { now: number; used: number; looks: number }
  let over: number

  beforeEach(() => {
    clock = { now: 0, used: 0, looks: 0 }
    over = 0
  })

  function limit(time: number): WorkLimit {
    const timing = {
      now: () => clock.now,
      used: () => {
        clock.looks++
        return clock.used
      },
    }
    return new WorkLimit(time, () => over++, timing)
  }

  it('is over when as much of the processor was used, and not before', async () => {
    limit(10)
    clock.used = 9
    await until(() => clock.looks > 3)
    expect(over).to.equal(0)
    clock.used = 10
    await until(() => over > 0)
    const { looks } = clock
    await sleep(50)
    expect([over, clock.looks]).to.deep.equal([1, looks])
  })

  it('is over for work that uses no processor, after two minutes on the clock', async () => {
    limit(10)
    clock.now = 119_999
    await until(() => clock.looks > 3)
    expect(over).to.equal(0)
    clock.now = 120_000
    await until(() => over > 0)
  })

  it('is never over once it was stopped', async () => {
    const stopped = limit(1)
    stopped.stop()
    clock.used = 100
    await sleep(50)
    expect([over, clock.looks]).to.deep.equal([0, 1])
  })
})

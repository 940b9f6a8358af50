import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { doJobs } from '../../src/lib/jobs.ts'

describe('lib/jobs', () => {
  it('does all, in their order, so many at a time', async () => {
    const begun: number[] = []
    let [running, most] = [0, 0]
    await doJobs([1, 2, 3, 4, 5], 2, async job => {
      begun.push(job)
      most = Math.max(most, ++running)
      await sleep(1)
      running--
    })
    expect(begun).to.deep.equal([1, 2, 3, 4, 5])
    expect([most, running]).to.deep.equal([2, 0])
  })

  it('does those that a job adds before those that wait', async () => {
    const begun: string[] = []
    await doJobs(['a', 'b'], 1, async (job, add) => {
      begun.push(job)
      if (job.length < 3) add(`${job}+`)
    })
    expect(begun).to.deep.equal(['a', 'a+', 'a++', 'b', 'b+', 'b++'])
  })

  it('without jobs -> is done', () => doJobs([], 1, async () => {}))

  it('where one fails -> fails, and begins no other', async () => {
    const begun: number[] = []
    const failure = await doJobs([1, 2, 3], 1, async job => {
      begun.push(job)
      if (job === 2) throw new Error('two')
    }).catch(error => error)
    await sleep(1)
    expect(failure).to.have.property('message', 'two')
    expect(begun).to.deep.equal([1, 2])
  })
})

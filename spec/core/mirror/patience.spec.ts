import { expect } from 'chai'
import { Late, Patience } from '../../../src/core/mirror/patience.ts'

describe('core/mirror/patience', () => {
  /** A renewal that ends when it is told to. */
  function renewal() {
    let resolve = (_: string) => {}
    let reject = (_: Error) => {}
    const promise = new Promise<string>((...both) => {
      ;[resolve, reject] = both
    })
    return { promise, resolve, reject }
  }

  const late = (work: Promise<unknown>) => work.then(() => false).catch(error => error instanceof Late)

  it('gives the outcome of a renewal that is here in time, also a failure', async () => {
    const patience = new Patience(60_000)
    expect(await patience.wait('hub', Promise.resolve('fresh'))).to.equal('fresh')
    const failure = await patience.wait('hub', Promise.reject(new Error('it broke'))).catch(error => error)
    expect(failure).to.have.property('message', 'it broke')
  })

  it('ends, and does not wait for that upstream again while it is late', async () => {
    const patience = new Patience(1)
    const { promise, resolve } = renewal()
    expect(await late(patience.wait('hub', promise))).to.equal(true)
    const other = late(patience.wait('other', renewal().promise))
    expect(await late(patience.wait('hub', Promise.resolve('fresh')))).to.equal(true)
    expect(await patience.wait('hub', Promise.resolve('fresh'))).to.equal('fresh')
    expect(await late(patience.wait('hub', promise))).to.equal(true)
    resolve('fresh')
    await promise
    expect(await patience.wait('hub', Promise.resolve('fresh'))).to.equal('fresh')
    expect(await other).to.equal(true)
  })

  it('a renewal that fails after that is nobody’s error', async () => {
    const patience = new Patience(1)
    const { promise, reject } = renewal()
    expect(await late(patience.wait('hub', promise))).to.equal(true)
    reject(new Error('it broke'))
    expect(await late(patience.wait('hub', promise))).to.equal(true)
  })
})

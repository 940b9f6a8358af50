import { expect } from 'chai'
import { Circuit } from '../../src/remote/circuit.ts'
import { RemoteError, type RemoteFailure } from '../../src/remote/error.ts'
import { remoteError } from '../support/upstream/asking.ts'

describe('remote/circuit', () => {
  let now: number
  let circuit: Circuit

  beforeEach(() => {
    now = 1000
    circuit = new Circuit('hub', () => now)
  })

  const fail = (failure: RemoteFailure) =>
    remoteError(circuit.run(() => Promise.reject(new RemoteError('hub', failure, 'it broke'))))

  const succeed = () => circuit.run(() => Promise.resolve('well'))

  async function open(): Promise<void> {
    for (let i = 0; i < 3; i++) await fail(i === 1 ? 'timeout' : 'unreachable')
  }

  it('lets all through while all is well', async () => {
    for (let i = 0; i < 10; i++) expect(await succeed()).to.equal('well')
  })

  it('leaves an upstream alone after three failures in a row, and says why and for how long', async () => {
    await open()
    let asked = false
    const error = await remoteError(
      circuit.run(async () => {
        asked = true
      }),
    )
    expect(asked).to.equal(false)
    expect(error.failure).to.equal('unreachable')
    expect(error.message).to.equal('hub: not asked, it is tried again in 5 s; it failed before: it broke')
  })

  it('counts failures in a row only', async () => {
    for (let i = 0; i < 10; i++) {
      await fail('unreachable')
      await fail('timeout')
      await succeed()
    }
  })

  for (const failure of ['unknown', 'refused', 'busy', 'failed', 'wrong'] as const) {
    it(`takes "${failure}" for a sign of life`, async () => {
      await fail('unreachable')
      await fail('unreachable')
      for (let i = 0; i < 10; i++) await fail(failure)
      await fail('unreachable')
      expect(await succeed()).to.equal('well')
    })
  }

  it('lets one through after the wait, and the others when that went well', async () => {
    await open()
    now += 4999
    expect((await remoteError(succeed())).message).to.include('in 1 s')
    now += 1
    let end = (_: string) => {}
    const probe = circuit.run(
      () =>
        new Promise<string>(resolve => {
          end = resolve
        }),
    )
    const error = await remoteError(succeed())
    expect(error.message).to.equal('hub: not asked, it is tried again right now; it failed before: it broke')
    end('back')
    expect(await probe).to.equal('back')
    expect(await succeed()).to.equal('well')
  })

  it('waits twice as long each time that the try fails, a minute at most, and shortly again after it was back', async () => {
    await open()
    for (const wait of [5, 10, 20, 40, 60, 60]) {
      expect((await remoteError(succeed())).message).to.include(`in ${wait} s`)
      now += wait * 1000
      expect((await fail('timeout')).message).to.equal('it broke')
    }
    now += 60_000
    await succeed()
    await open()
    expect((await remoteError(succeed())).message).to.include('in 5 s')
  })

  it('waits once for requests that fail together', async () => {
    const failing = Array.from({ length: 50 }, () => fail('timeout'))
    await Promise.all(failing)
    expect((await remoteError(succeed())).message).to.include('in 5 s')
  })

  it('an error that is not of the upstream ends a try without a verdict', async () => {
    await open()
    now += 5000
    await circuit.run(() => Promise.reject(new TypeError('a bug'))).catch(() => {})
    expect(await succeed()).to.equal('well')
  })
})

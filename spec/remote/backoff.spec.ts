import { expect } from 'chai'
import { Backoff, type Topic } from '../../src/remote/backoff.ts'
import { RemoteError, type RemoteFailure } from '../../src/remote/error.ts'
import { remoteError } from '../support/upstream/asking.ts'

describe('remote/backoff', () => {
  let now: number
  let backoff: Backoff

  beforeEach(() => {
    now = 1000
    backoff = new Backoff('hub', () => now)
  })

  const topic = (place: string, kind: Topic['kind'] = 'tag'): Topic => ({ kind, place })
  const error = (failure: RemoteFailure, retryAfter?: number) =>
    new RemoteError('hub', failure, 'it broke', { retryAfter })
  const fail = (at: Topic, failure: RemoteFailure, retryAfter?: number) =>
    remoteError(backoff.run(at, () => Promise.reject(error(failure, retryAfter))))
  const succeed = (at: Topic) => backoff.run(at, async () => 'well')

  /** Several repositories are answered 429, so that all requests are held back. */
  async function holdAll(): Promise<void> {
    for (const place of ['a', 'b', 'c']) await fail(topic(place), 'busy', 900)
  }

  it('holds back requests of that kind and repository until then, and says why', async () => {
    await fail(topic('a'), 'busy', 30)
    now += 10_000
    const refused = await remoteError(succeed(topic('a')))
    expect(refused).to.include({ failure: 'busy', retryAfter: 20 })
    expect(refused.message).to.equal('hub: not asked for 20 s more, because it has asked for that: it broke')
    now += 20_000
    expect(await succeed(topic('a'))).to.equal('well')
  })

  it('lets all other requests through', async () => {
    for (let i = 0; i < 11; i++) await fail(topic('a'), 'busy', 900)
    for (const kind of ['manifest', 'blob', 'list', 'metadata'] as const)
      expect(await succeed(topic('a', kind))).to.equal('well')
    expect(await succeed(topic('b'))).to.equal('well')
  })

  it('goes on asking an upstream that is busy and does not say for how long', async () => {
    for (const place of ['a', 'b', 'c', 'd']) await fail(topic(place), 'busy')
    expect(await succeed(topic('a'))).to.equal('well')
  })

  for (const failure of ['unknown', 'refused', 'timeout', 'unreachable', 'failed', 'wrong'] as const) {
    it(`is not concerned with "${failure}"`, async () => {
      await fail(topic('a'), failure, 900)
      expect(await succeed(topic('a'))).to.equal('well')
    })
  }

  it('holds back all requests if several repositories were answered so, and lets one through after five seconds', async () => {
    await holdAll()
    expect(await remoteError(succeed(topic('d', 'blob')))).to.include({ failure: 'busy', retryAfter: 5 })
    now += 5000
    let end = (_: string) => {}
    const probe = backoff.run(
      topic('d'),
      () =>
        new Promise<string>(resolve => {
          end = resolve
        }),
    )
    expect(await remoteError(succeed(topic('e')))).to.include({ failure: 'busy', retryAfter: 1 })
    end('back')
    expect(await probe).to.equal('back')
    expect(await succeed(topic('e'))).to.equal('well')
    expect(await remoteError(succeed(topic('a')))).to.include({ retryAfter: 895 })
  })

  it('takes an answer such as 404 for the end of it, and the next 429 for one of its repository', async () => {
    await holdAll()
    now += 5000
    await fail(topic('d'), 'unknown')
    await fail(topic('e'), 'busy', 900)
    expect(await succeed(topic('f'))).to.equal('well')
  })

  it('waits twice as long each time that the one request is answered 429, a minute at most', async () => {
    await holdAll()
    for (const [i, wait] of [5, 10, 20, 40, 60, 60].entries()) {
      expect(await remoteError(succeed(topic('d')))).to.include({ retryAfter: wait })
      now += wait * 1000
      await fail(topic(`e${i}`), 'busy', 900)
    }
  })

  it('holds nothing back longer than the upstream has asked for', async () => {
    for (const place of ['a', 'b', 'c']) await fail(topic(place), 'busy', 2)
    now += 2000
    expect(await Promise.all([succeed(topic('a')), succeed(topic('b'))])).to.deep.equal(['well', 'well'])
  })

  it('counts a request for a token as one of its own kind, which alone is held back', async () => {
    const withToken = () =>
      backoff.run(topic('a'), () =>
        backoff.part(topic('a', 'token'), () => Promise.reject(error('busy', 900))),
      )
    await remoteError(withToken())
    expect(await succeed(topic('a'))).to.equal('well')
    expect(await remoteError(withToken())).to.include({ failure: 'busy', retryAfter: 900 })
    expect(await succeed(topic('a'))).to.equal('well')
  })

  it('lets the request that finds out ask for a token', async () => {
    await holdAll()
    now += 5000
    const asked = backoff.run(topic('d'), () => backoff.part(topic('d', 'token'), async () => 'a token'))
    expect(await asked).to.equal('a token')
  })
})

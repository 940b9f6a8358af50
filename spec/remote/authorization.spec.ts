import { expect } from 'chai'
import type { Repository } from '../../src/oci/name.ts'
import { HttpOciUpstream } from '../../src/remote/oci-upstream.ts'
import type { UpstreamSettings } from '../../src/remote/settings.ts'
import type { Surroundings } from '../../src/remote/upstream.ts'
import { type FaultyUpstream, upstreams } from '../support/faulty-upstream.ts'
import { until } from '../support/until.ts'
import { BasicAccess, basicHeader, TokenAccess } from '../support/upstream/access.ts'
import { remoteError, resolver, SHORT, settingsFor } from '../support/upstream/asking.ts'
import { selfSigned } from '../support/upstream/certificate.ts'
import { blackhole, body, held, redirect, status } from '../support/upstream/faults.ts'

const A = 'library/a' as Repository
const B = 'library/b' as Repository
const LOGIN = { username: 'me', password: 'hunter2' }

describe('remote/authorization', () => {
  const start = upstreams()
  const opened: HttpOciUpstream[] = []

  afterEach(() => Promise.all(opened.splice(0).map(client => client.close())))

  function open(
    upstream: FaultyUpstream,
    more: Partial<UpstreamSettings> = {},
    surroundings?: Surroundings,
  ): HttpOciUpstream {
    for (const name of [A, B]) upstream.content.manifest(name, {}, 'v1')
    const client = new HttpOciUpstream(settingsFor(upstream.url, more), surroundings)
    opened.push(client)
    return client
  }

  const seen = (upstream: FaultyUpstream) =>
    upstream.requests.map(({ kind, authorization }) => [kind, authorization])

  describe('Basic', () => {
    it('is sent after a challenge, and from then on without one', async () => {
      const upstream = await start({ access: new BasicAccess(LOGIN) })
      const client = open(upstream, LOGIN)
      for (let i = 0; i < 3; i++) expect((await client.tags(A, 1)).tags).to.deep.equal(['v1'])
      const header = basicHeader(LOGIN)
      expect(seen(upstream)).to.deep.equal([
        ['tags', undefined],
        ['tags', header],
        ['tags', header],
        ['tags', header],
      ])
    })

    it('is not sent to one that does not ask for it', async () => {
      const upstream = await start()
      await open(upstream, LOGIN).tags(A, 1)
      expect(seen(upstream)).to.deep.equal([['tags', undefined]])
    })

    it('with a wrong password is refused, without the password in the message', async () => {
      const upstream = await start({ access: new BasicAccess(LOGIN) })
      const error = await remoteError(open(upstream, { ...LOGIN, password: 'wr0ng' }).tags(A, 1))
      expect([error.failure, error.message]).to.deep.equal([
        'refused',
        `GET ${upstream.url}/v2/library/a/tags/list: 401 Unauthorized: ` +
          'the username and password of this upstream are missing or wrong',
      ])
      expect(upstream.count()).to.equal(2)
    })
  })

  describe('a token', () => {
    it('is fetched for anybody, for the scope that the upstream names, and used again', async () => {
      const upstream = await start({ access: new TokenAccess() })
      const client = open(upstream)
      for (let i = 0; i < 3; i++) expect((await client.tags(A, 1)).tags).to.deep.equal(['v1'])
      await client.tags(B, 1)
      await client.repositories(10)
      const tokens = upstream.requests.filter(({ kind }) => kind === 'token')
      expect(tokens.map(({ path, authorization }) => [path, authorization])).to.deep.equal([
        ['/token?service=upstream&scope=repository%3Alibrary%2Fa%3Apull', undefined],
        ['/token?service=upstream&scope=repository%3Alibrary%2Fb%3Apull', undefined],
        ['/token?service=upstream&scope=registry%3Acatalog%3A*', undefined],
      ])
      expect(upstream.count('tags')).to.equal(3 + 1 + 2)
    })

    it('is fetched with the credentials, which the upstream itself never gets', async () => {
      const upstream = await start({ access: new TokenAccess({ login: LOGIN, field: 'access_token' }) })
      expect((await open(upstream, LOGIN).tags(A, 1)).tags).to.deep.equal(['v1'])
      for (const { kind, authorization } of upstream.requests) {
        if (kind === 'token') expect(authorization).to.equal(basicHeader(LOGIN))
        else expect(authorization).to.match(/^Bearer token-|^undefined$/)
      }
    })

    it('is fetched once by many that need it at the same time', async () => {
      const upstream = await start({ access: new TokenAccess() })
      const { fault, release } = held()
      upstream.fail('token', fault)
      const client = open(upstream)
      const answers = Array.from({ length: 20 }, () => client.tags(A, 1))
      await until(() => upstream.count('tags') === 20)
      release()
      await Promise.all(answers)
      expect(upstream.count('token')).to.equal(1)
    })

    it('is renewed before it expires, 60 seconds where the realm does not say', async () => {
      for (const [lifetime, spent] of [
        [undefined, 54],
        [300, 270],
      ] as const) {
        let now = 0
        const upstream = await start({
          access: new TokenAccess({ ...(lifetime !== undefined && { lifetime }) }),
        })
        const client = open(upstream, {}, { now: () => now })
        await client.tags(A, 1)
        now += spent * 1000 - 1
        await client.tags(A, 1)
        expect(upstream.count('token'), `${lifetime}`).to.equal(1)
        now += 1
        await client.tags(A, 1)
        expect(upstream.count('token'), `${lifetime}`).to.equal(2)
        expect(upstream.count('tags'), 'no request with what has expired').to.equal(4)
      }
    })

    it('that is not accepted any more is replaced, by one for all', async () => {
      const access = new TokenAccess()
      const upstream = await start({ access })
      const client = open(upstream)
      await client.tags(A, 1)
      access.revoke()
      await Promise.all(Array.from({ length: 10 }, () => client.tags(A, 1)))
      expect(upstream.count('token')).to.equal(2)
    })

    it('that is refused though it is new -> refused, after two requests', async () => {
      const access = new TokenAccess()
      const upstream = await start({ access })
      upstream.fail('tags', status(401, { 'www-authenticate': `Bearer realm="${upstream.url}/token"` }))
      const error = await remoteError(open(upstream).tags(A, 1))
      expect(error.failure).to.equal('refused')
      expect([upstream.count('tags'), upstream.count('token')]).to.deep.equal([2, 1])
    })

    it('is asked for the scope of the request where the upstream names none', async () => {
      const upstream = await start({ access: new TokenAccess() })
      const challenge = { 'www-authenticate': `Bearer realm="${upstream.url}/token?a=b"` }
      upstream.fail('tags', status(401, challenge), 1)
      expect((await open(upstream).tags(A, 1)).tags).to.deep.equal(['v1'])
      expect(upstream.requests[1]?.path).to.equal('/token?a=b&scope=repository%3Alibrary%2Fa%3Apull')
    })

    it('with wrong credentials -> refused, and asked for anew the next time', async () => {
      const upstream = await start({ access: new TokenAccess({ login: LOGIN }) })
      const client = open(upstream, { ...LOGIN, password: 'wr0ng' })
      for (let i = 1; i <= 2; i++) {
        const error = await remoteError(client.tags(A, 1))
        expect([error.failure, error.message]).to.deep.equal([
          'refused',
          `GET ${upstream.url}/token: 401: the username and password of this upstream are wrong`,
        ])
        expect(upstream.count('token')).to.equal(i)
      }
    })

    it('with credentials that were good before is not tried twice each time', async () => {
      let now = 0
      const upstream = await start({ access: new TokenAccess({ login: LOGIN }) })
      const client = open(upstream, LOGIN, { now: () => now })
      await client.tags(A, 1)
      now += 60_000
      upstream.fail('token', status(401))
      const tried: number[] = []
      for (let i = 0; i < 3; i++) {
        await remoteError(client.tags(A, 1))
        tried.push(upstream.count('token') - 1)
      }
      expect(tried).to.deep.equal([2, 3, 4])
    })

    it('that is for some only, without credentials -> refused', async () => {
      const upstream = await start({ access: new TokenAccess({ login: LOGIN }) })
      const error = await remoteError(open(upstream).tags(A, 1))
      expect(error.failure).to.equal('refused')
      expect(error.message).to.include('no token without a username and password')
    })
  })

  describe('a realm', () => {
    for (const [what, fault, failure, reason] of [
      ['without the endpoint', status(404), 'failed', '404: there is no token endpoint'],
      ['that fails', status(500), 'failed', '500 Internal Server Error'],
      ['that is busy', status(429, { 'retry-after': '9' }), 'busy', '429 Too Many Requests, again in 9 s'],
      ['without a token', body('{}'), 'wrong', 'the answer has no token in it'],
      ['with a token of two lines', body('{"token":"a\\nb"}'), 'wrong', 'the answer has no token in it'],
      ['with no JSON', body('<html>'), 'wrong', 'the answer is not an unambiguous JSON object in UTF-8'],
      [
        'with a huge answer',
        body('"'.repeat(65_537)),
        'wrong',
        'it sends more than the 64.0 KiB that are taken',
      ],
    ] as const) {
      it(`${what} -> ${failure}`, async () => {
        const upstream = await start({ access: new TokenAccess() })
        upstream.fail('token', fault)
        const error = await remoteError(open(upstream).tags(A, 1))
        expect([error.failure, error.message]).to.deep.equal([
          failure,
          `GET ${upstream.url}/token: ${reason}`,
        ])
      })
    }

    it('that never answers -> timeout, within the budget of the request', async () => {
      const upstream = await start({ access: new TokenAccess() })
      upstream.fail('token', blackhole)
      const error = await remoteError(open(upstream, SHORT).tags(A, 1))
      expect([error.failure, error.message]).to.deep.equal([
        'timeout',
        `GET ${upstream.url}/v2/library/a/tags/list: no answer within 0.6 s`,
      ])
    })

    it('elsewhere does not get credentials, nor is it asked without them', async () => {
      const access = new TokenAccess()
      const upstream = await start({ access })
      const realm = await start({ access })
      access.realm = `${realm.url}/token`
      const error = await remoteError(open(upstream, LOGIN).tags(A, 1))
      expect(error.failure).to.equal('refused')
      expect(error.message).to.include(`add "${realm.url}" to trustedRealms`)
      expect(realm.count()).to.equal(0)
    })

    it('that has moved is asked where it is now', async () => {
      let now = 0
      const access = new TokenAccess()
      const [upstream, before] = [await start({ access }), await start({ access })]
      access.realm = `${before.url}/token`
      const client = open(upstream, { allowPrivateAddresses: true }, { now: () => now })
      await client.tags(A, 1)
      await before.stop()
      access.realm = undefined
      now += 60_000
      expect((await client.tags(A, 1)).tags).to.deep.equal(['v1'])
      expect(upstream.count('token')).to.equal(1)
    })

    it('that could not be used once is no reason not to ask again', async () => {
      const upstream = await start()
      const client = open(upstream, LOGIN)
      upstream.fail('tags', status(401, { 'www-authenticate': 'Bearer realm="https://evil.example/"' }), 1)
      expect((await remoteError(client.tags(A, 1))).failure).to.equal('refused')
      expect((await client.tags(A, 1)).tags).to.deep.equal(['v1'])
    })

    it('elsewhere gets credentials where trustedRealms has it', async () => {
      const access = new TokenAccess({ login: LOGIN })
      const upstream = await start({ access })
      const realm = await start({ access })
      access.realm = `${realm.url}/token`
      const client = open(upstream, { ...LOGIN, trustedRealms: [realm.url] })
      expect((await client.tags(A, 1)).tags).to.deep.equal(['v1'])
      expect(realm.requests.map(({ authorization }) => authorization)).to.deep.equal([basicHeader(LOGIN)])
    })

    it('elsewhere is asked by anybody, at public addresses only', async () => {
      const access = new TokenAccess()
      const upstream = await start({ access })
      const realm = await start({ access })
      access.realm = `${realm.url}/token`
      const error = await remoteError(open(upstream).tags(A, 1))
      expect(error.failure).to.equal('refused')
      expect(error.message).to.include('127.0.0.1 is not a public address')
      expect(realm.count()).to.equal(0)
      expect((await open(upstream, { allowPrivateAddresses: true }).tags(A, 1)).tags).to.deep.equal(['v1'])
    })

    it('of the same domain gets credentials over https, as auth.docker.io does for registry-1.docker.io', async () => {
      const certificate = selfSigned('DNS:*.example.org')
      const access = new TokenAccess({ login: LOGIN })
      const upstream = await start({ access, certificate })
      const realm = await start({ access, certificate })
      access.realm = `${realm.at('auth.example.org')}/token`
      upstream.content.manifest(A, {}, 'v1')
      const settings = { ...LOGIN, allowPrivateAddresses: true, ca: certificate.cert }
      const lookup = resolver({ 'registry.example.org': ['127.0.0.1'], 'auth.example.org': ['127.0.0.1'] })
      const client = new HttpOciUpstream(settingsFor(upstream.at('registry.example.org'), settings), {
        lookup,
      })
      opened.push(client)
      expect((await client.tags(A, 1)).tags).to.deep.equal(['v1'])
      expect(realm.requests.map(({ authorization }) => authorization)).to.deep.equal([basicHeader(LOGIN)])
      expect(upstream.requests.map(({ authorization }) => authorization?.slice(0, 6))).to.deep.equal([
        undefined,
        'Bearer',
      ])
    })

    it('that redirects elsewhere does not take the credentials along', async () => {
      const access = new TokenAccess({ login: LOGIN })
      const upstream = await start({ access })
      const thief = await start()
      upstream.fail('token', redirect(`${thief.url}/token`))
      await remoteError(open(upstream, { ...LOGIN, allowPrivateAddresses: true }).tags(A, 1))
      expect(thief.requests.map(({ authorization }) => authorization)).to.deep.equal([undefined])
    })
  })
})

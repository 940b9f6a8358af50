import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { decodeJwt, SignJWT } from 'jose'
import { Access } from '../../src/http/access.ts'
import { createApp } from '../../src/http/app.ts'
import { createLogger } from '../../src/log.ts'
import { type Answer, ask as askAt } from '../support/ask.ts'
import { pushArtifact } from '../support/oci.ts'
import { MIB, registries } from '../support/registry.ts'
import { listen, serving, startRegistry } from '../support/server.ts'

describe('http/access', () => {
  const registry = serving()
  const open = registries()
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
  const PUSH = 'scope=repository:a:pull,push'

  before(async () => {
    await pushArtifact(registry(), 'a', 'v1')
  })

  const ask = (method: string, path: string, authorization?: string) =>
    registry().ask(method, path, { headers: { ...(authorization !== undefined && { authorization }) } })

  async function token(query = '', authorization?: string): Promise<string> {
    const { status, json, text } = await ask('GET', `/token?${query}`, authorization)
    expect(status, text).to.equal(200)
    return (json as { token: string }).token
  }

  /** What a client does that was given this token. */
  async function mayPush(bearer: string, repository = 'a'): Promise<boolean> {
    const { status } = await ask('POST', `/v2/${repository}/blobs/uploads/`, `Bearer ${bearer}`)
    expect(status).to.be.oneOf([202, 401])
    return status === 202
  }

  /** `error`: what RFC 6750, 3.1 calls it; undefined if no Bearer token came. */
  function expectChallenge(answer: Answer, error: string | undefined, scope?: string): void {
    expect(answer.status).to.equal(401)
    const asked = scope === undefined ? '' : `,scope="${scope}"`
    const reason = error === undefined ? '' : `,error="${error}"`
    expect(answer.headers['www-authenticate']).to.equal(
      `Bearer realm="${registry().url}/token",service="memflow-registry"${asked}${reason}`,
    )
    if (answer.text) expect(answer.code).to.equal('UNAUTHORIZED')
  }

  describe('GET /v2/', () => {
    it('without credentials -> 401 with a challenge, so that clients learn how to log in', async () => {
      for (const method of ['GET', 'HEAD']) {
        for (const path of ['/v2/', '/v2']) expectChallenge(await ask(method, path), undefined)
      }
    })

    it('with the token as Bearer, as the password of anybody, or a token of the endpoint -> 200', async () => {
      for (const authorization of [
        'Bearer secret',
        'bearer secret',
        basic('user:secret'),
        basic(':secret'),
        `Bearer ${await token()}`,
        `Bearer ${await token(PUSH, basic('user:secret'))}`,
      ]) {
        const answer = await ask('GET', '/v2/', authorization)
        expect(answer.status, authorization).to.equal(200)
        expect(answer.text).to.equal('{}')
        expect(answer.headers).to.include({
          'content-type': 'application/json',
          'docker-distribution-api-version': 'registry/2.0',
        })
      }
    })

    for (const [what, authorization] of [
      ['a wrong password', basic('user:nope')],
      ['no password', basic('user')],
      ['an empty password', basic('user:')],
      ['the token as the user name', basic('secret:')],
      ['a password that begins with the token', basic('user:secret:')],
      ['a part of the token', 'Bearer secre'],
      ['the token in another case', 'Bearer SECRET'],
      ['Basic with no base64', 'Basic ***'],
      ['Basic with nothing', 'Basic'],
      ['Bearer with nothing', 'Bearer'],
      ['nothing at all', ''],
      ['another scheme', 'Digest username="secret"'],
      ['the bare token', 'secret'],
      ['a very long one', `Bearer ${'x'.repeat(10_000)}`],
      ['the right token and something after it', 'Bearer secret junk'],
    ] as const) {
      it(`with ${what} -> 401`, async () => {
        const error = /^bearer/i.test(authorization) ? 'invalid_token' : undefined
        expectChallenge(await ask('GET', '/v2/', authorization), error)
      })
    }
  })

  describe('reading', () => {
    const READS = ['/v2/a/tags/list', '/v2/a/manifests/v1', '/v2/_catalog']

    it('without credentials, or with a token for anybody -> 200', async () => {
      const anonymous = await token('scope=repository:a:pull')
      for (const path of READS) {
        for (const method of ['GET', 'HEAD']) {
          expect((await ask(method, path)).status).to.equal(200)
          expect((await ask(method, path, `Bearer ${anonymous}`)).status).to.equal(200)
        }
      }
    })

    it('with wrong credentials -> 401 that names what is read', async () => {
      for (const [authorization, error] of [
        [basic('user:nope'), undefined],
        ['Bearer nope', 'invalid_token'],
      ] as const) {
        expectChallenge(await ask('GET', '/v2/a/tags/list', authorization), error, 'repository:a:pull')
        expectChallenge(await ask('GET', '/v2/_catalog', authorization), error, 'registry:catalog:*')
      }
    })
  })

  describe('GET /token', () => {
    it('for anybody -> 200 with a token to read with, as Docker’s token flow has it', async () => {
      const before = Math.floor(Date.now() / 1000) * 1000
      const { status, headers, json } = await ask('GET', `/token?service=memflow-registry&${PUSH}`)
      expect(status).to.equal(200)
      expect(headers).to.include({ 'content-type': 'application/json', 'cache-control': 'no-store' })
      const answer = json as Record<string, unknown>
      expect(answer).to.have.all.keys('token', 'access_token', 'expires_in', 'issued_at')
      expect(answer.access_token).to.equal(answer.token)
      expect(answer.expires_in).to.be.within(60, 3600)
      expect(Date.parse(String(answer.issued_at))).to.be.within(before, Date.now())
      const { exp = 0, iat = 0 } = decodeJwt(String(answer.token))
      expect(exp - iat).to.equal(answer.expires_in)
    })

    it('with a wrong password -> 401, never a token', async () => {
      for (const authorization of [basic('user:nope'), 'Bearer nope', 'Basic']) {
        expect((await ask('GET', `/token?${PUSH}`, authorization)).status).to.equal(401)
      }
    })

    it('for anybody who asks to push -> one that cannot', async () => {
      expect(await mayPush(await token(PUSH))).to.equal(false)
      expect(await mayPush(await token())).to.equal(false)
    })

    it('with the password -> one that can, in that repository only', async () => {
      const bearer = await token(PUSH, basic('user:secret'))
      expect(await mayPush(bearer)).to.equal(true)
      expect(await mayPush(bearer, 'b')).to.equal(false)
      expect(await mayPush(bearer, 'a/b')).to.equal(false)
      const removal = await ask('DELETE', '/v2/a/manifests/v1', `Bearer ${bearer}`)
      expectChallenge(removal, 'insufficient_scope', 'repository:a:delete')
    })

    it('for several scopes, in one parameter or in several -> one for all of them', async () => {
      for (const query of [
        `${PUSH}&scope=repository:b:push,pull`,
        'scope=repository:a:pull,push%20repository:b:pull,push',
        'scope=repository:a:*&scope=repository:b:*',
      ]) {
        const bearer = await token(query, 'Bearer secret')
        expect(await mayPush(bearer)).to.equal(true)
        expect(await mayPush(bearer, 'b')).to.equal(true)
      }
    })

    it('with the password, for nothing or for nonsense -> one that can read', async () => {
      for (const query of ['', 'scope=', 'scope=x', 'scope=repository:a', 'scope=::', 'scope=user:a:push']) {
        const bearer = await token(query, basic('user:secret'))
        expect(await mayPush(bearer)).to.equal(false)
        expect((await ask('GET', '/v2/a/tags/list', `Bearer ${bearer}`)).status).to.equal(200)
      }
    })

    it('a token to push -> does not get a further one with more in it', async () => {
      const bearer = await token(PUSH, basic('user:secret'))
      expect(await mayPush(await token('scope=repository:b:pull,push', `Bearer ${bearer}`), 'b')).to.equal(
        false,
      )
    })

    it('a token to push -> does not open the memflow API', async () => {
      const bearer = await token(`${PUSH}&scope=repository:a:*`, basic('user:secret'))
      for (const [method, path] of [
        ['POST', '/files'],
        ['DELETE', `/files/${'0'.repeat(64)}`],
      ] as const) {
        const { status, headers } = await ask(method, path, `Bearer ${bearer}`)
        expect(status).to.equal(401)
        expect(headers['www-authenticate']).to.include('error="insufficient_scope"')
      }
    })

    it('a change without credentials is challenged without an error, because none was made', async () => {
      const answer = await ask('POST', '/v2/a/blobs/uploads/')
      expectChallenge(answer, undefined, 'repository:a:pull,push')
    })
  })

  describe('a token', () => {
    const key = createHash('sha256').update('memflow-registry token key\0secret').digest()
    const access = [{ type: 'repository', name: 'a', actions: ['pull', 'push'] }]

    /** One as the endpoint makes it, but for what is given. */
    const made = (
      { issuer = 'memflow-registry', audience = 'memflow-registry', expires = 300, secret = key } = {},
      alg = 'HS256',
    ) => {
      const now = Math.floor(Date.now() / 1000)
      return new SignJWT({ access })
        .setProtectedHeader({ alg })
        .setIssuer(issuer)
        .setAudience(audience)
        .setIssuedAt(now - 1000)
        .setExpirationTime(now + expires)
        .sign(secret)
    }

    it('of all processes on one secret -> good in each', async () => {
      expect(await mayPush(await made())).to.equal(true)
    })

    it('that has expired -> 401', async () => {
      const expired = `Bearer ${await made({ expires: -1 })}`
      const answer = await ask('GET', '/v2/', expired)
      expectChallenge(answer, 'invalid_token')
      expect(answer.text).to.include('the token is wrong or has expired')
      const push = await ask('POST', '/v2/a/blobs/uploads/', expired)
      expectChallenge(push, 'invalid_token', 'repository:a:pull,push')
    })

    it('without an end is refused', async () => {
      const endless = await new SignJWT({ access })
        .setProtectedHeader({ alg: 'HS256' })
        .setIssuer('memflow-registry')
        .setAudience('memflow-registry')
        .setIssuedAt()
        .sign(key)
      expectChallenge(await ask('GET', '/v2/', `Bearer ${endless}`), 'invalid_token')
    })

    it('is valid for as long as MEMFLOW_TOKEN_TTL says', async () => {
      const short = await startRegistry({ policy: { tokenTtl: 90_000 } })
      const { json } = await short.ask('GET', '/token')
      await short.close()
      expect(json).to.include({ expires_in: 90 })
    })

    it('that was good and expires -> 401 from then on, also for what was read with it', async () => {
      const core = await open()
      await core.pushImage('a', 'v1', [])
      let now = Date.now()
      const policy = { maxPluginSize: 20 * MIB, cacheSize: MIB, accessLog: false, corsOrigins: [] }
      const access = new Access('secret', { now: () => now })
      const server = await listen(createApp(core, access, createLogger('off'), policy))
      try {
        const authorization = `Bearer ${await made()}`
        const statusOf = async (path: string) =>
          (await askAt(server.url, 'GET', path, { headers: { authorization } })).status
        for (let i = 0; i < 3; i++) expect(await statusOf('/v2/a/tags/list')).to.equal(200)
        now += 301_000
        for (const path of ['/v2/a/tags/list', '/v2/']) expect(await statusOf(path)).to.equal(401)
      } finally {
        await server.close()
      }
    })

    it('of another issuer, for another audience, by another key or algorithm -> 401', async () => {
      for (const forged of [
        await made({ issuer: 'x' }),
        await made({ audience: 'x' }),
        await made({ secret: createHash('sha256').update('x').digest() }),
        await made({ secret: Buffer.from('secret'.padEnd(64)) }, 'HS384'),
        await made({ secret: Buffer.concat([key, key]) }, 'HS512'),
      ]) {
        expectChallenge(await ask('GET', '/v2/', `Bearer ${forged}`), 'invalid_token')
      }
    })

    it('that somebody has changed -> 401', async () => {
      const [head = '', payload = '', signature = ''] = (await made()).split('.')
      const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
      const more = { ...JSON.parse(Buffer.from(payload, 'base64url').toString()), exp: 4_000_000_000 }
      for (const forged of [
        `${head}.${encode(more)}.${signature}`,
        `${encode({ alg: 'none' })}.${encode(more)}.`,
        `${encode({ alg: 'none' })}.${payload}.${signature}`,
        `${head}.${payload}.`,
        `${head}.${payload}`,
        `${head}.${payload}.${signature.slice(0, -2)}AA`,
        `${head}.${payload}.${signature}.x`,
        '..',
        'a.b.c',
      ]) {
        expectChallenge(await ask('GET', '/v2/', `Bearer ${forged}`), 'invalid_token')
      }
    })
  })

  describe('the realm', () => {
    it('-> the address that the client used, where it is one', async () => {
      const realm = async (host: string) => {
        const { headers } = await registry().ask('GET', '/v2/', { headers: { host } })
        return /realm="([^"]*)"/.exec(headers['www-authenticate'] ?? '')?.[1]
      }
      expect(await realm('registry.example.org')).to.equal('http://registry.example.org/token')
      expect(await realm('[::1]:3000')).to.equal('http://[::1]:3000/token')
      expect(await realm('a,scope="x"')).to.equal('http://a/token')
      for (const host of ['a"b', 'a b', 'x'.repeat(300)]) {
        expect(await realm(host), host).to.equal('http://localhost/token')
      }
    })

    it('-> MEMFLOW_PUBLIC_URL, where it is set', async () => {
      const behind = await startRegistry({ policy: { publicUrl: 'https://registry.example.org/memflow' } })
      const { headers } = await behind.ask('GET', '/v2/')
      await behind.close()
      expect(headers['www-authenticate']).to.include('realm="https://registry.example.org/memflow/token"')
    })
  })
})

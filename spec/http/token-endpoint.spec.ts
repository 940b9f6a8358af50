import { expect } from 'chai'
import { pino } from 'pino'
import { Access } from '../../src/http/access.ts'
import { createApp } from '../../src/http/app.ts'
import { createLogger } from '../../src/log.ts'
import { type LogRecord, textLine } from '../../src/log-text.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { type Answer, ask, Wire } from '../support/ask.ts'
import { MIB, registries } from '../support/registry.ts'
import { listen, type RunningRegistry, serving, startRegistry } from '../support/server.ts'
import { returnStorage, takeStorage } from '../support/storage.ts'

type Fields = Record<string, string | readonly string[]>

const PUSH = 'repository:a:pull,push'
const PASSWORD = { grant_type: 'password', username: 'me', password: 'secret', service: 'memflow-registry' }
const basic = `Basic ${Buffer.from('me:secret').toString('base64')}`

function encoded(fields: Fields): string {
  const pairs = Object.entries(fields).flatMap(([name, value]) => [value].flat().map(text => [name, text]))
  return new URLSearchParams(pairs as [string, string][]).toString()
}

const post = (registry: RunningRegistry, fields: Fields | string, path = '/token', headers = {}) =>
  registry.ask('POST', path, {
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: typeof fields === 'string' ? fields : encoded(fields),
  })

const jsonOf = ({ json }: Answer) => json as Record<string, string>

async function mayPush(registry: RunningRegistry, token: string | undefined, repository = 'a') {
  const headers = { authorization: `Bearer ${token}` }
  return (await registry.ask('POST', `/v2/${repository}/blobs/uploads/`, { headers })).status === 202
}

describe('http/token-endpoint', () => {
  const registry = serving()
  const open = registries()

  async function refreshToken(): Promise<string> {
    return jsonOf(await post(registry(), { ...PASSWORD, access_type: 'offline' })).refresh_token as string
  }

  function expectError(answer: Answer, error: string): void {
    expect(answer.status, answer.text).to.equal(400)
    expect(answer.headers).to.include({ 'content-type': 'application/json', 'cache-control': 'no-store' })
    expect(answer.json).to.include({ error })
    expect(answer.json).to.have.property('error_description').that.is.a('string')
  }

  describe('POST /token', () => {
    it('the password grant gives a token for the scopes', async () => {
      const answer = await post(registry(), {
        ...PASSWORD,
        client_id: 'x',
        scope: `${PUSH} repository:b:pull`,
      })
      expect(answer.status, answer.text).to.equal(200)
      expect(answer.headers).to.include({ 'content-type': 'application/json', 'cache-control': 'no-store' })
      const json = jsonOf(answer)
      expect(json).to.have.all.keys('access_token', 'token', 'scope', 'expires_in', 'issued_at')
      expect(json).to.include({
        token: json.access_token,
        scope: `${PUSH} repository:b:pull`,
        expires_in: 300,
      })
      expect(await mayPush(registry(), json.access_token)).to.equal(true)
      expect(await mayPush(registry(), json.access_token, 'b')).to.equal(false)
    })

    it('scopes may come in several parameters', async () => {
      const answer = await post(registry(), { ...PASSWORD, scope: [PUSH, 'repository:b:pull,push'] })
      expect(await mayPush(registry(), jsonOf(answer).access_token, 'b')).to.equal(true)
    })

    it('a refresh token gives access tokens, and itself again only if offline access is asked for', async () => {
      const token = await refreshToken()
      const fields = { grant_type: 'refresh_token', refresh_token: token, scope: PUSH }
      const answer = await post(registry(), fields)
      expect(answer.status, answer.text).to.equal(200)
      expect(answer.json).not.to.have.property('refresh_token')
      expect(await mayPush(registry(), jsonOf(answer).access_token)).to.equal(true)
      const offline = jsonOf(await post(registry(), { ...fields, access_type: 'offline' }))
      expect(offline.refresh_token).to.equal(token)
    })

    it('a refresh token is neither a Bearer token nor a password', async () => {
      const token = await refreshToken()
      for (const authorization of [
        `Bearer ${token}`,
        `Basic ${Buffer.from(`me:${token}`).toString('base64')}`,
      ])
        expect((await registry().ask('GET', '/v2/', { headers: { authorization } })).status).to.equal(401)
      expectError(await post(registry(), { ...PASSWORD, password: token }), 'invalid_grant')
    })

    for (const [what, fields, error] of [
      ['no grant_type', { username: 'me', password: 'secret' }, 'invalid_request'],
      ['an empty grant_type', { ...PASSWORD, grant_type: '' }, 'invalid_request'],
      ['no password', { grant_type: 'password', username: 'me' }, 'invalid_request'],
      ['no user name', { grant_type: 'password', password: 'secret' }, 'invalid_request'],
      ['no refresh token', { grant_type: 'refresh_token' }, 'invalid_request'],
      ['two passwords', { ...PASSWORD, password: ['nope', 'secret'] }, 'invalid_request'],
      ['another grant type', { grant_type: 'client_credentials' }, 'unsupported_grant_type'],
      ['a name of Object.prototype', { grant_type: 'constructor' }, 'unsupported_grant_type'],
      ['a wrong password', { ...PASSWORD, password: 'nope' }, 'invalid_grant'],
      ['a made-up refresh token', { grant_type: 'refresh_token', refresh_token: 'x' }, 'invalid_grant'],
      [
        'the secret as refresh token',
        { grant_type: 'refresh_token', refresh_token: 'secret' },
        'invalid_grant',
      ],
      ['too many scopes', { ...PASSWORD, scope: 'repository:a:pull '.repeat(65) }, 'invalid_scope'],
      ['too long scopes', { ...PASSWORD, scope: 'x'.repeat(5000) }, 'invalid_scope'],
      ['nothing', '', 'invalid_request'],
      ['no form', '%%%&&&===', 'invalid_request'],
      ['a body that is too large', `x=${'x'.repeat(40_000)}`, 'invalid_request'],
    ] as const) {
      it(`a request with ${what} is refused as ${error}`, async () => {
        expectError(await post(registry(), fields), error)
      })
    }

    it('a body of another type is refused, and its credentials with it', async () => {
      for (const type of ['application/json', 'multipart/form-data; boundary=x', ''])
        expectError(await post(registry(), PASSWORD, '/token', { 'content-type': type }), 'invalid_request')
      const type = 'Application/X-WWW-Form-Urlencoded; charset=UTF-8'
      expect((await post(registry(), PASSWORD, '/token', { 'content-type': type })).status).to.equal(200)
    })

    it('a chunked body that never ends is refused when it is too large', async () => {
      const wire = await Wire.open(registry().url)
      wire.head(
        'POST /token HTTP/1.1',
        'Host: x',
        'Content-Type: application/x-www-form-urlencoded',
        'Transfer-Encoding: chunked',
      )
      wire.send(`10000\r\n${'x'.repeat(0x10000)}\r\n`)
      expect(await wire.until(/error_description/)).to.match(/^HTTP\/1.1 400 /)
      wire.cut()
    })

    it('a client shows its user why it was refused: the error is in the form of the distribution-spec too', async () => {
      const answer = await post(registry(), { ...PASSWORD, password: 'nope' })
      expect(answer.code).to.equal('UNAUTHORIZED')
    })
  })

  describe('GET /token with offline_token=true', () => {
    const get = (query: string, authorization?: string, method = 'GET') =>
      registry().ask(method, `/token?${query}`, { headers: { ...(authorization && { authorization }) } })

    it('the secret gets a refresh token, nobody else does', async () => {
      const json = jsonOf(await get('offline_token=true&account=me&client_id=docker', basic))
      const answer = await post(registry(), {
        grant_type: 'refresh_token',
        refresh_token: json.refresh_token as string,
      })
      expect(answer.status).to.equal(200)
      const bearer = `Bearer ${json.access_token}`
      for (const [query, authorization] of [
        ['offline_token=true', undefined],
        ['offline_token=true', bearer],
        ['offline_token=false', basic],
        ['', basic],
      ] as const) {
        const { status, json } = await get(query, authorization)
        expect(status).to.equal(200)
        expect(json).not.to.have.property('refresh_token')
      }
    })
  })

  it('a disk that is full costs a client its refresh token, and not its login', async () => {
    const core = await open()
    core.index.apply = () => Promise.reject(new RegistryError('STORAGE_FULL'))
    const policy = { maxPluginSize: MIB, cacheSize: MIB, accessLog: false, corsOrigins: [] }
    const server = await listen(createApp(core, new Access('secret'), createLogger('off'), policy))
    const body = encoded({ ...PASSWORD, access_type: 'offline' })
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const answer = await ask(server.url, 'POST', '/token', { headers, body })
    await server.close()
    expect(answer.status, answer.text).to.equal(200)
    expect(answer.json).to.have.property('access_token')
    expect(answer.json).not.to.have.property('refresh_token')
  })

  describe('POST /token/revoke', () => {
    it('a revoked token is refused from then on', async () => {
      const [token, other] = [await refreshToken(), await refreshToken()]
      const revoke = { token, token_type_hint: 'refresh_token' }
      for (let i = 0; i < 2; i++) {
        const { status, text } = await post(registry(), revoke, '/token/revoke')
        expect([status, text]).to.deep.equal([200, ''])
      }
      const use = (refresh_token: string) => post(registry(), { grant_type: 'refresh_token', refresh_token })
      expectError(await use(token), 'invalid_grant')
      expect((await use(other)).status).to.equal(200)
    })

    it('an access token cannot be revoked, and a request needs a token', async () => {
      const { access_token: token = '' } = jsonOf(await post(registry(), PASSWORD))
      expectError(await post(registry(), { token }, '/token/revoke'), 'unsupported_token_type')
      expectError(await post(registry(), {}, '/token/revoke'), 'invalid_request')
    })

    it('another method is refused with those that there are', async () => {
      expect((await registry().ask('GET', '/token/revoke')).headers.allow).to.equal('POST')
      expect((await registry().ask('DELETE', '/token')).headers.allow).to.equal('GET,HEAD,POST')
    })
  })

  it('refresh tokens survive a restart, and a new secret revokes them', async () => {
    const storage = await takeStorage()
    const fields = { grant_type: 'refresh_token', refresh_token: '' }
    const statuses: number[] = []
    for (const token of ['secret', 'secret', 'another']) {
      const registry = await startRegistry({ storage, token })
      if (!fields.refresh_token)
        fields.refresh_token = jsonOf(await post(registry, { ...PASSWORD, access_type: 'offline' }))
          .refresh_token as string
      statuses.push((await post(registry, fields)).status)
      await registry.close()
    }
    await returnStorage(storage)
    expect(statuses).to.deep.equal([200, 200, 400])
  })

  it('wrong credentials are logged as a warning without them', async () => {
    const lines: string[] = []
    const log = pino(
      { base: null, formatters: { level: level => ({ level }) } },
      { write: line => lines.push(line) },
    )
    const registry = await startRegistry({ log, policy: { accessLog: false } })
    await post(registry, { ...PASSWORD, password: 'guess-1' })
    await post(registry, { grant_type: 'refresh_token', refresh_token: 'guess-2' })
    await post(registry, { ...PASSWORD, access_type: 'offline' })
    await registry.close()
    const requests = lines
      .map(line => JSON.parse(line) as LogRecord & { who?: string })
      .filter(({ who }) => who)
    expect(requests.map(({ level, who }) => `${level} ${who}`)).to.deep.equal([
      'warn anonymous',
      'warn anonymous',
      'info the secret',
    ])
    expect(lines.join('')).not.to.match(/guess|"secret"/)
    expect(requests.map(textLine).join('')).to.include('/token')
  })

  /** What the clients send at `login` and before a push, in this order, read from their sources. */
  const FLOWS: Record<string, (registry: RunningRegistry) => Promise<string | undefined>> = {
    'docker login, then docker push': async registry => {
      const login = await registry.ask(
        'GET',
        '/token?account=me&client_id=docker&offline_token=true&service=memflow-registry',
        { headers: { authorization: basic } },
      )
      const { refresh_token = '' } = jsonOf(login)
      const push = await post(registry, {
        grant_type: 'refresh_token',
        refresh_token,
        service: 'memflow-registry',
        client_id: 'docker',
        access_type: 'offline',
        scope: PUSH,
      })
      expect(push.json).to.include({ refresh_token })
      return jsonOf(push).access_token
    },
    'containerd with a user and a password': async registry =>
      jsonOf(
        await post(registry, {
          client_id: 'containerd-client',
          grant_type: 'password',
          password: 'secret',
          scope: `${PUSH} repository:b:pull`,
          service: 'memflow-registry',
          username: 'me',
        }),
      ).access_token,
    'BuildKit with the identity token of docker login': async registry => {
      const login = await registry.ask('GET', '/token?offline_token=true', {
        headers: { authorization: basic },
      })
      return jsonOf(
        await post(registry, {
          client_id: 'buildkit-client',
          grant_type: 'refresh_token',
          refresh_token: jsonOf(login).refresh_token as string,
          scope: PUSH,
          service: 'memflow-registry',
        }),
      ).access_token
    },
    'podman, skopeo with a password': async registry =>
      jsonOf(
        await registry.ask(
          'GET',
          `/token?account=me&scope=${encodeURIComponent(PUSH)}&service=memflow-registry`,
          {
            headers: { authorization: basic },
          },
        ),
      ).token,
    'podman with the identity token of docker login': async registry => {
      const login = await registry.ask('GET', '/token?offline_token=true', {
        headers: { authorization: basic },
      })
      return jsonOf(
        await post(registry, {
          client_id: 'containers/image',
          grant_type: 'refresh_token',
          refresh_token: jsonOf(login).refresh_token as string,
          scope: ['repository:b:pull', PUSH],
          service: 'memflow-registry',
        }),
      ).access_token
    },
  }

  for (const [client, flow] of Object.entries(FLOWS)) {
    it(`${client} gets a token that pushes`, async () => {
      const token = await flow(registry())
      expect(await mayPush(registry(), token)).to.equal(true)
      expect(await mayPush(registry(), token, 'c')).to.equal(false)
    })
  }
})

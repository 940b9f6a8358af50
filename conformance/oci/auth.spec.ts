import { expect } from 'chai'
import type { Answer } from './answer.ts'
import { artifact, blob, type Content, unknownDigest } from './content.ts'
import { basic, parseChallenge, tokenAddress, tokenOf } from './credentials.ts'
import { expectBytes, expectError, expectHeader, expectStatus } from './expect.ts'
import type { Repository } from './repository.ts'
import { beyond, client, must, newRepository, target } from './suite.ts'

// "This endpoint MAY be used for authentication, but this is out of the purview of this specification": the Bearer
// challenge and the token endpoint are those of distribution's "Token Authentication Specification".

const given = target.user !== undefined && target.password !== undefined
const login = basic(target.user ?? '', target.password ?? '')
const wrong = basic(target.user ?? 'user', 'not the password')

const anonymous = (method: string, path: string, headers: Record<string, string> = {}, body?: Uint8Array) =>
  client.request(method, path, { anonymous: true, headers, ...(body === undefined ? {} : { body }) })

async function challenge() {
  const answer = await anonymous('GET', '/v2/')
  expectStatus(answer, 401)
  return parseChallenge(answer.header('www-authenticate') ?? '')
}

async function askToken(scope: string | undefined, authorization?: string): Promise<Answer> {
  const address = tokenAddress(await challenge(), target.url, scope ?? '')
  return anonymous('GET', address.href, authorization === undefined ? {} : { authorization })
}

async function bearer(scope: string, authorization?: string): Promise<Record<string, string>> {
  const answer = await askToken(scope, authorization)
  expectStatus(answer, 200)
  return { authorization: `Bearer ${tokenOf(answer.json())}` }
}

describe('Authentication:', () => {
  let repository: Repository
  let content: Content
  let layer: Content
  before(async function () {
    if (!given) this.skip()
    repository = await newRepository().ready()
    content = await repository.push(artifact(), 'v1')
    layer = await repository.pushBlob(blob())
  })

  must('/v2/ with credentials -> 200', async () => {
    expectStatus(await client.get('/v2/'), 200)
  })

  for (const method of ['GET', 'HEAD']) {
    beyond(
      `${method} /v2/ without credentials -> 401 with a Bearer challenge: realm and service`,
      async () => {
        const answer = await anonymous(method, '/v2/')
        expectStatus(answer, 401)
        const { scheme, parameters } = parseChallenge(answer.header('www-authenticate') ?? '')
        expect(scheme).to.equal('bearer')
        expect(parameters.realm).to.match(/^https?:\/\//)
        expect(parameters.service).to.match(/./)
      },
    )
  }

  beyond('a 401 says UNAUTHORIZED in the form of the spec', async () => {
    expectError(await anonymous('GET', '/v2/'), 401, 'UNAUTHORIZED')
  })

  beyond('the token endpoint gives everybody a token that pulls', async () => {
    const headers = await bearer(`repository:${repository.name}:pull`)
    expectBytes(
      await anonymous('GET', repository.path('manifests/v1'), { ...headers, accept: content.mediaType }),
      content.bytes,
    )
    expectBytes(await anonymous('GET', repository.path(`blobs/${layer.digest()}`), headers), layer.bytes)
    expectStatus(await anonymous('GET', '/v2/', headers), 200)
  })

  beyond('the token endpoint gives a token without a scope, for docker login', async () => {
    expectStatus(await askToken(undefined, login), 200)
  })

  beyond('the answer of the token endpoint may not be kept, and says how long the token lives', async () => {
    const answer = await askToken(`repository:${repository.name}:pull`)
    expect((answer.json() as { expires_in: number }).expires_in).to.be.within(1, 24 * 3600)
    expectHeader(answer, 'cache-control', /no-store|no-cache|private/)
  })

  beyond('Basic credentials get a token that pushes', async () => {
    const headers = await bearer(`repository:${repository.name}:pull,push`, login)
    expectStatus(await anonymous('POST', repository.path('blobs/uploads/'), headers), 202)
  })

  beyond('a wrong password gets no token -> 401', async () => {
    expectStatus(await askToken(`repository:${repository.name}:pull`, wrong), 401)
    expectStatus(await askToken(undefined, wrong), 401)
  })

  beyond('who asks for push without credentials gets no push', async () => {
    const answer = await askToken(`repository:${repository.name}:pull,push`)
    expectStatus(answer, 200, 401)
    if (answer.status === 401) return
    const headers = { authorization: `Bearer ${tokenOf(answer.json())}` }
    expectStatus(await anonymous('POST', repository.path('blobs/uploads/'), headers), 401, 403)
  })

  beyond('a token for pull does not push, nor delete', async () => {
    const headers = await bearer(`repository:${repository.name}:pull`, login)
    expectStatus(await anonymous('POST', repository.path('blobs/uploads/'), headers), 401, 403)
    expectStatus(await anonymous('DELETE', repository.path('manifests/v1'), headers), 401, 403)
    expectStatus(await repository.get('manifests/v1'), 200)
  })

  beyond('a token for one repository does not push to another', async () => {
    const headers = await bearer(`repository:${repository.name}:pull,push`, login)
    expectStatus(await anonymous('POST', newRepository('other').path('blobs/uploads/'), headers), 401, 403)
  })

  beyond('a token that was tampered with -> 401', async () => {
    const headers = await bearer(`repository:${repository.name}:pull,push`, login)
    const [head = '', payload = '', signature = ''] = (headers.authorization ?? '').slice(7).split('.')
    const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')
    const other = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
    for (const token of [
      `${head}.${payload}.${other}`,
      `${none}.${payload}.`,
      `${head}.${payload}`,
      'x'.repeat(40),
    ]) {
      const answer = await anonymous('POST', repository.path('blobs/uploads/'), {
        authorization: `Bearer ${token}`,
      })
      expectStatus(answer, 401)
    }
  })

  beyond('Basic credentials are accepted as they are', async () => {
    expectStatus(await anonymous('GET', '/v2/', { authorization: login }), 200)
    expectStatus(await anonymous('POST', repository.path('blobs/uploads/'), { authorization: login }), 202)
  })

  beyond('the bare token is accepted as a bearer', async () => {
    const authorization = `Bearer ${target.token ?? target.password}`
    expectStatus(await anonymous('GET', '/v2/', { authorization }), 200)
    expectStatus(await anonymous('POST', repository.path('blobs/uploads/'), { authorization }), 202)
  })

  beyond('a wrong password -> 401, also where no credentials are needed', async () => {
    for (const [method, path] of [
      ['GET', '/v2/'],
      ['POST', repository.path('blobs/uploads/')],
      ['GET', repository.path('manifests/v1')],
    ] as const) {
      expectStatus(await anonymous(method, path, { authorization: wrong }), 401)
    }
  })

  for (const authorization of [
    'Basic',
    'Basic !!!',
    'Basic OnBhc3M',
    'Bearer',
    'Bearer  ',
    'Digest a="b"',
    'x',
    `Bearer ${'y'.repeat(5000)}`,
  ]) {
    beyond(`malformed credentials (${authorization.slice(0, 14)}) -> 400 or 401 on a write`, async () => {
      expectStatus(await anonymous('POST', repository.path('blobs/uploads/'), { authorization }), 400, 401)
    })
  }

  beyond('without credentials what is there can be read: manifest, blob, tags, referrers', async () => {
    for (const tail of [
      'manifests/v1',
      `blobs/${layer.digest()}`,
      'tags/list',
      `referrers/${content.digest()}`,
    ]) {
      expectStatus(await anonymous('GET', repository.path(tail), { accept: content.mediaType }), 200)
    }
    expectStatus(await anonymous('HEAD', repository.path('manifests/v1'), { accept: content.mediaType }), 200)
    expectStatus(await anonymous('GET', repository.path('manifests/missing')), 404)
  })

  const writes: Record<string, () => [method: string, tail: string, body?: Uint8Array]> = {
    'POST of an upload': () => ['POST', 'blobs/uploads/'],
    'single POST': () => ['POST', `blobs/uploads/?digest=${layer.digest()}`, layer.bytes],
    mount: () => ['POST', `blobs/uploads/?mount=${layer.digest()}&from=${repository.name}`],
    'PUT of a manifest': () => ['PUT', 'manifests/v1', artifact().bytes],
    'DELETE of a tag': () => ['DELETE', 'manifests/v1'],
    'DELETE of a manifest': () => ['DELETE', `manifests/${content.digest()}`],
    'DELETE of a blob': () => ['DELETE', `blobs/${layer.digest()}`],
  }
  for (const [what, request] of Object.entries(writes)) {
    beyond(`a refused write (${what}) -> 401 with a Bearer challenge that names the scope`, async () => {
      const [method, tail, body] = request()
      const answer = await anonymous(
        method,
        repository.path(tail),
        { 'content-type': content.mediaType },
        body,
      )
      expectError(answer, 401, 'UNAUTHORIZED')
      const { scheme, parameters } = parseChallenge(answer.header('www-authenticate') ?? '')
      expect(scheme).to.equal('bearer')
      expect(parameters.realm).to.match(/^https?:\/\//)
      expect(parameters.scope).to.include(`repository:${repository.name}:`)
      expect(parameters.scope).to.match(method === 'DELETE' ? /delete|push|\*/ : /push|\*/)
      expectStatus(await repository.get('manifests/v1'), 200)
    })
  }

  beyond(
    'an upload session is closed to those without credentials: PATCH, PUT and DELETE -> 401',
    async () => {
      const session = await repository.begin()
      const bytes = blob(1024)
      expectStatus(await anonymous('PATCH', session.location, {}, bytes.bytes), 401)
      expectStatus(await anonymous('PUT', session.closing(bytes.digest()), {}, bytes.bytes), 401)
      expectStatus(await anonymous('DELETE', session.location), 401)
      expectStatus(await session.put(bytes.digest(), bytes.bytes), 201)
    },
  )

  beyond('a refused write does not tell what is there', async () => {
    const statuses = [layer.digest(), unknownDigest()].map(digest =>
      anonymous('DELETE', repository.path(`blobs/${digest}`)),
    )
    for (const answer of await Promise.all(statuses)) expectStatus(answer, 401)
  })
})

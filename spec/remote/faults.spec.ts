import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import type { Repository, Tag } from '../../src/oci/name.ts'
import type { RemoteFailure } from '../../src/remote/error.ts'
import { HttpOciUpstream } from '../../src/remote/oci-upstream.ts'
import type { UpstreamSettings } from '../../src/remote/settings.ts'
import { type FaultyUpstream, upstreams } from '../support/faulty-upstream.ts'
import { EMPTY } from '../support/oci.ts'
import { until } from '../support/until.ts'
import { hurry, read, relax, remoteError, SHORT, settingsFor } from '../support/upstream/asking.ts'
import {
  blackhole,
  body,
  cut,
  endless,
  type Fault,
  gzipped,
  hangUp,
  headers,
  late,
  noHttp,
  redirect,
  stalled,
  status,
  trickle,
  without,
  wrongBytes,
} from '../support/upstream/faults.ts'
import { deafPort, sinkhole } from '../support/upstream/sinkhole.ts'

const REPOSITORY = 'library/a' as Repository
const TAG = 'v1' as Tag
const BLOB = randomBytes(100_000)
const OTHER = digestOf('other')

/** Milliseconds that `SHORT` gives a request. */
const BUDGET = 600

describe('remote: faults of an upstream', () => {
  const start = upstreams()
  let upstream: FaultyUpstream
  let settings: UpstreamSettings
  let client: HttpOciUpstream
  let blob: Digest
  let manifest: Digest

  beforeEach(async () => {
    upstream = await start()
    blob = upstream.content.blob(BLOB)
    manifest = upstream.content.manifest(REPOSITORY, { schemaVersion: 2, config: EMPTY, layers: [] }, TAG)
    settings = settingsFor(upstream.url)
    client = new HttpOciUpstream(settings)
  })

  afterEach(() => client.close())

  async function readBlob(): Promise<Buffer> {
    return await read((await client.blob(REPOSITORY, blob)).body)
  }

  async function expectFailure(
    work: Promise<unknown>,
    failure: RemoteFailure,
    reason: string,
  ): Promise<void> {
    const error = await remoteError(work)
    expect([error.failure, error.message.replace(/^(GET|HEAD) http:\S+: /, '')]).to.deep.equal([
      failure,
      reason,
    ])
    expect(error.message).to.match(/^(GET|HEAD) http:\/\/127\.0\.0\.1:\d+\/v2\/library\/a\//)
    expect(error.upstream).to.equal('hub')
  }

  const EVERYWHERE: Record<string, readonly [Fault, RemoteFailure, string]> = {
    'never answers': [blackhole, 'timeout', 'no answer within 0.6 s'],
    'answers too late': [late(BUDGET * 4), 'timeout', 'no answer within 0.6 s'],
    'hangs up': [hangUp, 'unreachable', 'the connection ended before the answer'],
    'resets the connection before the answer': [
      ({ response }) => void response.socket?.resetAndDestroy(),
      'unreachable',
      'the connection was reset',
    ],
    'does not speak HTTP': [noHttp, 'wrong', 'it does not speak HTTP/1.1'],
    'answers 404': [status(404), 'unknown', '404 Not Found'],
    'answers 401 without a challenge': [
      status(401),
      'refused',
      '401, and it asks for neither Basic nor Bearer credentials',
    ],
    'wants a password': [
      status(401, { 'www-authenticate': 'Basic realm="x"' }),
      'refused',
      '401: it wants a username and password, which it has not got here',
    ],
    'answers 403': [status(403), 'refused', '403 Forbidden'],
    'answers 429': [status(429), 'busy', '429 Too Many Requests'],
    'answers 429 with seconds': [
      status(429, { 'retry-after': '17' }),
      'busy',
      '429 Too Many Requests, again in 17 s',
    ],
    'answers 429 with a date': [
      status(429, { 'retry-after': 'Wed, 21 Oct 2965 07:28:00 GMT' }),
      'busy',
      '429 Too Many Requests, again in 900 s',
    ],
    'answers 400': [status(400), 'failed', '400 Bad Request'],
    'answers 500': [status(500), 'failed', '500 Internal Server Error'],
    'answers 502': [status(502), 'failed', '502 Bad Gateway'],
    'answers 503': [status(503), 'failed', '503 Service Unavailable'],
    'answers 204': [status(204), 'wrong', '204 No Content is no answer to that'],
    'answers 206 unasked': [status(206), 'wrong', '206 Partial Content is no answer to that'],
    'answers 304 unasked': [status(304), 'wrong', '304 Not Modified is no answer to that'],
    'redirects to nowhere': [redirect('http://['), 'wrong', 'it redirects to what is no URL'],
    'redirects to a file': [
      redirect('file:///etc/passwd'),
      'refused',
      'it redirects from http: to file:, which is not safe',
    ],
    'redirects to itself': [redirect(''), 'wrong', 'it redirects more than 5 times'],
    'compresses unasked': [gzipped, 'wrong', 'the answer is encoded as gzip, which was not asked for'],
    'sends huge headers': [
      headers({ 'x-much': 'a'.repeat(40_000) }),
      'wrong',
      'the headers of the answer are too large',
    ],
  }

  for (const [what, [fault, failure, reason]] of Object.entries(EVERYWHERE)) {
    it(`one that ${what} -> ${failure}, whatever is asked`, async () => {
      upstream.fail('any', fault)
      if (failure === 'timeout') hurry(settings)
      await Promise.all(
        [
          client.manifest(REPOSITORY, TAG),
          client.resolve(REPOSITORY, TAG),
          client.blob(REPOSITORY, blob),
          client.tags(REPOSITORY, 10),
        ].map(work => expectFailure(work, failure, reason)),
      )
    })
  }

  const BODIES: Record<string, readonly [Fault, RemoteFailure, string]> = {
    'stalls in the body': [stalled(10), 'timeout', 'no more bytes came within idleTimeout'],
    'ends the connection in the body': [cut(10, 'end'), 'wrong', 'the connection ended before the body did'],
    'resets the connection in the body': [
      cut(10, 'reset'),
      'wrong',
      'the connection ended before the body did',
    ],
  }

  for (const [what, [fault, failure, reason]] of Object.entries(BODIES)) {
    it(`one that ${what} -> ${failure}`, async () => {
      upstream.fail('any', fault)
      if (failure === 'timeout') {
        await client.close()
        client = new HttpOciUpstream(settingsFor(upstream.url, { idleTimeout: 300 }))
      }
      await expectFailure(readBlob(), failure, reason)
      // Of a document the time for the whole may end first.
      const error = await remoteError(client.manifest(REPOSITORY, TAG))
      expect(error.failure).to.equal(failure)
      expect((await remoteError(client.tags(REPOSITORY, 10))).failure).to.equal(failure)
    })
  }

  const MANIFESTS: Record<string, readonly [Fault, RemoteFailure, string | (() => string)]> = {
    'of other bytes': [wrongBytes, 'wrong', () => `the manifest is not the one of ${manifest}`],
    'with a wrong digest header': [
      headers({ 'docker-content-digest': OTHER }),
      'wrong',
      `the manifest is not the one of ${OTHER}`,
    ],
    'with a digest header that is none': [
      headers({ 'docker-content-digest': 'md5:1' }),
      'wrong',
      'its Docker-Content-Digest is no digest',
    ],
    'that says it is larger than any': [
      headers({ 'content-length': '5000000' }),
      'wrong',
      'it sends more than the 4.0 MiB that are taken',
    ],
    'that never ends': [endless, 'wrong', 'it sends more than the 4.0 MiB that are taken'],
  }

  for (const [what, [fault, failure, reason]] of Object.entries(MANIFESTS)) {
    it(`a manifest ${what} -> ${failure}`, async () => {
      upstream.fail('manifest', fault)
      const text = typeof reason === 'string' ? reason : reason()
      await expectFailure(client.manifest(REPOSITORY, TAG), failure, text)
      await expectFailure(client.manifest(REPOSITORY, manifest), failure, text)
    })
  }

  it('a manifest that comes too slowly -> timeout', async () => {
    for (const reference of [TAG, manifest]) {
      relax(settings)
      upstream.fail('manifest', exchange => {
        // The head of the answer had its time before; from here on it is that of the body.
        hurry(settings)
        return trickle(50)(exchange)
      })
      await expectFailure(
        client.manifest(REPOSITORY, reference),
        'timeout',
        'the body was not here after 0.6 s',
      )
    }
  })

  it('a manifest that is not what its digest says, without a header that would tell -> wrong', async () => {
    upstream.content.manifests.set(`${REPOSITORY}@${OTHER}`, {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      bytes: Buffer.from('{}'),
    })
    upstream.fail('manifest', without('docker-content-digest'))
    await expectFailure(
      client.manifest(REPOSITORY, OTHER),
      'wrong',
      `the manifest is not the one of ${OTHER}`,
    )
  })

  for (const [what, text, reason] of [
    ['malformed', '{"schemaVersion":2', /^the manifest is not .*JSON in UTF-8/],
    ['not an object of', '["schemaVersion"]', /^the manifest is not a JSON object/],
  ] as const) {
    it(`a manifest that is ${what} JSON -> wrong`, async () => {
      upstream.fail('manifest', async exchange => {
        const { 'docker-content-digest': _, ...rest } = exchange.answer.headers
        await body(text)({ ...exchange, answer: { ...exchange.answer, headers: rest } })
      })
      const error = await remoteError(client.manifest(REPOSITORY, TAG))
      expect(error.failure).to.equal('wrong')
      expect(error.message.replace(/^GET \S+: /, '')).to.match(reason)
    })
  }

  it('a list that is malformed, or of something else -> wrong', async () => {
    for (const [text, reason] of [
      ['{"tags":["a"', 'the answer is not an unambiguous JSON object in UTF-8'],
      ['["a"]', 'the answer is not an unambiguous JSON object in UTF-8'],
      ['{"tags":"a"}', 'the answer has no list of tags'],
      ['{"tags":["a",1]}', 'the answer has no list of tags'],
      ['{"tags":["a/b"]}', 'the answer has no list of tags'],
    ] as const) {
      upstream.fail('tags', body(text))
      await expectFailure(client.tags(REPOSITORY, 10), 'wrong', reason)
    }
  })

  it('a blob that says it is larger than maxBlobSize -> wrong, before a byte is read', async () => {
    upstream.fail('blob', headers({ 'content-length': '1048577' }))
    await expectFailure(
      client.blob(REPOSITORY, blob),
      'wrong',
      'it sends more than the 1.0 MiB that are taken',
    )
  })

  it('a blob that never ends -> wrong, at maxBlobSize', async () => {
    upstream.fail('blob', endless)
    await expectFailure(readBlob(), 'wrong', 'it sends more than the 1.0 MiB that are taken')
  })

  it('a blob that comes slowly, but comes, is read to its end however long it takes', async () => {
    upstream.fail('blob', exchange => {
      hurry(settings)
      return trickle(100_000)(exchange)
    })
    expect((await readBlob()).equals(BLOB)).to.equal(true)
  })

  it('an answer that is late within the budget is an answer', async () => {
    upstream.fail('any', late(BUDGET / 3))
    expect((await client.manifest(REPOSITORY, TAG)).digest).to.equal(manifest)
  })

  it('a connection that ends before the answer is tried again once', async () => {
    upstream.fail('manifest', hangUp, 1)
    expect((await client.manifest(REPOSITORY, TAG)).digest).to.equal(manifest)
    expect(upstream.count('manifest')).to.equal(2)
    upstream.fail('manifest', hangUp)
    await remoteError(client.manifest(REPOSITORY, TAG))
    expect(upstream.count('manifest')).to.equal(4)
    upstream.heal()
    expect((await client.manifest(REPOSITORY, TAG)).digest).to.equal(manifest)
  })

  it('one that refuses connections -> unreachable; it is soon left alone, and asked again when it is back', async () => {
    let now = 0
    const watched = new HttpOciUpstream(settingsFor(upstream.url), { now: () => now })
    await upstream.stop()
    for (let i = 0; i < 3; i++) {
      await expectFailure(watched.manifest(REPOSITORY, TAG), 'unreachable', 'the connection was refused')
    }
    await upstream.resume()
    const error = await remoteError(watched.manifest(REPOSITORY, TAG))
    expect(error.failure).to.equal('unreachable')
    expect(error.message).to.match(
      /^hub: not asked, it is tried again in 5 s; it failed before: GET \S+: the connection was refused$/,
    )
    expect(upstream.count()).to.equal(0)
    now += 5000
    expect((await watched.manifest(REPOSITORY, TAG)).digest).to.equal(manifest)
    await watched.close()
  })

  it('one that says when to come back is not asked before', async () => {
    let now = 0
    const watched = new HttpOciUpstream(settingsFor(upstream.url), { now: () => now })
    upstream.fail('any', status(429, { 'retry-after': '20' }), 1)
    expect(await remoteError(watched.tags(REPOSITORY, 10))).to.include({ failure: 'busy', retryAfter: 20 })
    now += 5000
    expect(await remoteError(watched.tags(REPOSITORY, 10))).to.include({ failure: 'busy', retryAfter: 15 })
    expect(upstream.count()).to.equal(1)
    now += 15_000
    expect((await watched.tags(REPOSITORY, 10)).tags).to.deep.equal(['v1'])
    await watched.close()
  })

  for (const [what, scheme, open] of [
    ['the connection is never taken', 'http', deafPort],
    ['nobody takes part in TLS', 'https', sinkhole],
  ] as const) {
    it(`one where ${what} -> timeout, after connectTimeout alone`, async () => {
      const hole = await open()
      const url = `${scheme}://127.0.0.1:${hole.port}`
      const silent = new HttpOciUpstream(settingsFor(url, { connectTimeout: SHORT.connectTimeout }))
      const error = await remoteError(silent.tags(REPOSITORY, 10))
      expect([error.failure, error.message]).to.deep.equal([
        'timeout',
        `GET ${url}/v2/library/a/tags/list: no connection within connectTimeout`,
      ])
      await silent.close()
      await hole.close()
    })
  }

  it('a name that nobody has -> unreachable', async () => {
    const nowhere = new HttpOciUpstream(settingsFor('http://nowhere.invalid'))
    const error = await remoteError(nowhere.tags(REPOSITORY, 10))
    expect(error.failure).to.equal('unreachable')
    expect(error.message).to.match(/the name of the host cannot be resolved|there is no host of that name/)
    await nowhere.close()
  })

  it('after close(), what is under way and what comes -> unreachable', async () => {
    upstream.fail('any', blackhole)
    const going = remoteError(client.tags(REPOSITORY, 10))
    await until(() => upstream.count('tags') === 1)
    await client.close()
    expect((await going).failure).to.equal('unreachable')
    expect((await remoteError(client.tags(REPOSITORY, 10))).message).to.include(
      'this registry is about to stop',
    )
  })
})

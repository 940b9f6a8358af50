import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Repository, Tag } from '../../src/oci/name.ts'
import { HttpOciUpstream } from '../../src/remote/oci-upstream.ts'
import { type FaultyUpstream, upstreams } from '../support/faulty-upstream.ts'
import { EMPTY } from '../support/oci.ts'
import { until } from '../support/until.ts'
import { json } from '../support/upstream/answers.ts'
import { read, relax, remoteError, SHORT, settingsFor } from '../support/upstream/asking.ts'
import { body, type Exchange, endless, headers, send, status, without } from '../support/upstream/faults.ts'

const A = 'library/a' as Repository
const V1 = 'v1' as Tag
const BLOB = randomBytes(100_000)
const OTHER = digestOf('other')

describe('remote/oci-upstream', () => {
  const start = upstreams()
  let upstream: FaultyUpstream
  let client: HttpOciUpstream

  beforeEach(async () => {
    upstream = await start()
    client = new HttpOciUpstream(settingsFor(upstream.url))
  })

  afterEach(() => client.close())

  const image = (more: object = {}) => ({ schemaVersion: 2, config: EMPTY, layers: [], ...more })

  describe('a manifest', () => {
    for (const mediaType of [OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX, DOCKER_LIST]) {
      it(`of type ${mediaType} comes by tag and by digest`, async () => {
        const content = /index|list/.test(mediaType) ? { schemaVersion: 2, manifests: [] } : image()
        const digest = upstream.content.manifest(A, { mediaType, ...content }, V1)
        for (const reference of [V1, digest]) {
          const { bytes, manifest, ...answer } = await client.manifest(A, reference)
          expect({ ...answer, mediaType: manifest.mediaType }).to.deep.equal({ digest, mediaType })
          expect(digestOf(bytes)).to.equal(digest)
        }
        expect(upstream.requests[0]?.headers.accept?.split(', ')).to.include.members([
          OCI_MANIFEST,
          DOCKER_MANIFEST,
          OCI_INDEX,
          DOCKER_LIST,
        ])
        expect(upstream.requests[0]?.headers['accept-encoding']).to.equal('identity')
      })
    }

    it('without a digest header has the digest of its bytes', async () => {
      const digest = upstream.content.manifest(A, image(), V1)
      upstream.fail('manifest', without('docker-content-digest'))
      expect((await client.manifest(A, V1)).digest).to.equal(digest)
    })

    it('by sha512 is verified, and keeps that digest', async () => {
      const bytes = Buffer.from(JSON.stringify(image()))
      const digest = digestOf(bytes, 'sha512')
      upstream.content.manifests.set(`${A}@${digest}`, { mediaType: OCI_MANIFEST, bytes })
      expect((await client.manifest(A, digest)).digest).to.equal(digest)
    })

    it('that is not there -> unknown', async () => {
      expect((await remoteError(client.manifest(A, V1))).failure).to.equal('unknown')
      expect((await remoteError(client.manifest(A, OTHER))).failure).to.equal('unknown')
    })

    it('is resolved by HEAD', async () => {
      const digest = upstream.content.manifest(A, image(), V1)
      expect(await client.resolve(A, V1)).to.equal(digest)
      upstream.fail('manifest', without('docker-content-digest'))
      expect(await client.resolve(A, V1)).to.equal(undefined)
      expect(upstream.count('manifest', 'HEAD')).to.equal(2)
      expect(upstream.count()).to.equal(2)
    })
  })

  describe('a blob', () => {
    let digest: Digest

    beforeEach(() => {
      digest = upstream.content.blob(BLOB)
    })

    it('comes whole, with its size', async () => {
      const { size, body } = await client.blob(A, digest)
      expect(size).to.equal(BLOB.length)
      expect((await read(body)).equals(BLOB)).to.equal(true)
      expect(upstream.requests[0]?.headers.range).to.equal(undefined)
    })

    it('comes without a size where the upstream does not say', async () => {
      upstream.fail('blob', ({ response, answer }) => {
        response.writeHead(200)
        response.write(answer.body.subarray(0, 10))
        response.end(answer.body.subarray(10))
      })
      const { size, body } = await client.blob(A, digest)
      expect(size).to.equal(undefined)
      expect((await read(body)).equals(BLOB)).to.equal(true)
    })

    it('comes from a byte on', async () => {
      const { size, body } = await client.blob(A, digest, 99_990)
      expect(size).to.equal(10)
      expect((await read(body)).equals(BLOB.subarray(99_990))).to.equal(true)
      expect(upstream.requests[0]?.headers.range).to.equal('bytes=99990-')
    })

    it('has a size by HEAD', async () => {
      expect(await client.stat(A, digest)).to.equal(BLOB.length)
      expect(upstream.count('blob', 'HEAD')).to.equal(1)
      upstream.fail('blob', without('content-length'))
      expect(await client.stat(A, digest)).to.equal(undefined)
    })

    it('that is not there -> unknown', async () => {
      expect((await remoteError(client.blob(A, OTHER))).failure).to.equal('unknown')
      expect((await remoteError(client.stat(A, OTHER))).failure).to.equal('unknown')
    })

    for (const [what, fault] of [
      ['the whole', ({ response }) => void response.writeHead(200).end(BLOB)],
      ['another range', headers({ 'content-range': 'bytes 98-99999/100000' })],
      ['a range that does not go to the end', headers({ 'content-range': 'bytes 99-99998/100000' })],
      ['a part without a range', without('content-range')],
      ['a part of another length', headers({ 'content-range': 'bytes 99-99997/99998' })],
      ['a part with nonsense', headers({ 'content-range': 'bytes 99-/100000' })],
      ['that there is no such range', status(416, { 'content-range': 'bytes */100000' })],
    ] as const satisfies [string, Parameters<FaultyUpstream['fail']>[1]][]) {
      it(`of which ${what} is sent in place of the rest -> wrong`, async () => {
        upstream.fail('blob', fault)
        const error = await remoteError(client.blob(A, digest, 99))
        expect(error.failure).to.equal('wrong')
        expect(error.message).to.match(/does not send the bytes from 99 on|416 Range Not Satisfiable/)
      })
    }

    for (const [what, sent] of [
      ['more', BLOB.length],
      ['less', 100],
    ] as const) {
      it(`of which ${what} comes than the range says, without a length -> wrong`, async () => {
        upstream.fail('blob', ({ response }) => {
          response.writeHead(206, { 'content-range': 'bytes 99000-99999/100000' })
          response.write('')
          response.write(BLOB.subarray(0, sent))
          response.end()
        })
        const { size, body } = await client.blob(A, digest, 99_000)
        expect(size).to.equal(1000)
        expect((await remoteError(read(body))).failure).to.equal('wrong')
      })
    }

    it('that is broken off, or given up, lets go of its connection', async () => {
      upstream.fail('blob', endless)
      const closed: boolean[] = []
      const watch = (i: number) =>
        upstream.fail('blob', exchange => {
          exchange.response.once('close', () => {
            closed[i] = true
          })
          return endless(exchange)
        })
      watch(0)
      for await (const _ of (await client.blob(A, digest)).body) break
      watch(1)
      ;(await client.blob(A, digest)).cancel()
      await until(() => closed.filter(Boolean).length === 2)
      expect(closed).to.deep.equal([true, true])
    })

    it('that trickles is given up after a minute, and one that is read slowly is not', async () => {
      let now = 0
      const watched = new HttpOciUpstream(settingsFor(upstream.url), { now: () => now })
      const pieces = (rest: Buffer[]) => (exchange: Exchange) => {
        exchange.response.writeHead(200, exchange.answer.headers)
        for (const piece of rest) exchange.response.write(piece)
      }
      upstream.fail('blob', pieces([Buffer.alloc(1)]))
      const { body, cancel } = await watched.blob(A, digest)
      const chunks = body[Symbol.asyncIterator]()
      const next = chunks.next()
      now += 60_000
      expect(await remoteError(next)).to.include({ failure: 'timeout' })
      cancel()
      upstream.heal()
      const slowly = (await watched.blob(A, digest)).body[Symbol.asyncIterator]()
      let read = 0
      for (let chunk = await slowly.next(); !chunk.done; chunk = await slowly.next()) {
        read += chunk.value.length
        now += 600_000
      }
      expect(read).to.equal(BLOB.length)
      await watched.close()
    })

    it('that is not there leaves nothing behind that others wait for', async () => {
      for (let i = 0; i < 70; i++) await remoteError(client.blob(A, OTHER))
      expect((await read((await client.blob(A, digest)).body)).equals(BLOB)).to.equal(true)
    })

    it('of which very many are read at a time leaves others waiting, and not for good', async () => {
      const settings = settingsFor(upstream.url, SHORT)
      // Who waits in line does so for a short time; answers may take as long as a busy machine takes.
      const hasty = new HttpOciUpstream(settings)
      relax(settings)
      const bodies = await Promise.all(Array.from({ length: 48 }, () => hasty.blob(A, digest)))
      const error = await remoteError(hasty.blob(A, digest))
      expect([error.failure, error.retryAfter]).to.deep.equal(['busy', 1])
      expect(await hasty.stat(A, digest), 'they leave room for the rest').to.equal(BLOB.length)
      expect(error.message).to.include('48 requests are under way already')
      const waiting = hasty.blob(A, digest)
      bodies[0]?.cancel()
      expect((await read((await waiting).body)).equals(BLOB)).to.equal(true)
      await hasty.close()
    })
  })

  it('a list whose pages come too slowly is given up', async () => {
    let now = 0
    // A faked clock, of which each page takes a part: 30 s for the whole list.
    const times = { connectTimeout: 5_000, idleTimeout: 5_000 }
    const watched = new HttpOciUpstream(settingsFor(upstream.url, times), { now: () => now })
    upstream.fail('referrers', exchange => {
      now += 20_000
      const { request, response, answer } = exchange
      response.writeHead(200, { ...answer.headers, link: `<${request.url}?a>; rel="next"` }).end(answer.body)
    })
    const error = await remoteError(watched.referrers(A, digestOf('x')))
    expect([error.failure, upstream.count('referrers')]).to.deep.equal(['timeout', 2])
    expect(error.message).to.match(/the list was not here after 30 s/)
    await watched.close()
  })

  describe('lists', () => {
    it('tags come in pages', async () => {
      for (const tag of ['c', 'a', 'b']) upstream.content.manifest(A, image(), tag)
      expect(await client.tags(A, 2)).to.deep.equal({ tags: ['c', 'a'], next: 'a' })
      expect(await client.tags(A, 2, 'a')).to.deep.equal({ tags: ['b'], next: undefined })
      expect(upstream.requests.map(({ path }) => path)).to.deep.equal([
        '/v2/library/a/tags/list?n=2',
        '/v2/library/a/tags/list?last=a&n=2',
      ])
    })

    it('tags of an upstream that pages in its own way come in pages', async () => {
      upstream.fail('tags', exchange => {
        const answer = json({ name: A, tags: ['a'] })
        const link = '</v2/library/a/tags/list?n=1&next_page=x%2By>; rel="next"'
        send(exchange, { ...answer, headers: { ...answer.headers, link } })
      })
      const { next } = await client.tags(A, 1)
      await client.tags(A, 5, next)
      expect(upstream.requests.map(({ path }) => path)).to.deep.equal([
        '/v2/library/a/tags/list?n=1',
        '/v2/library/a/tags/list?n=5&next_page=x%2By',
      ])
    })

    it('no tags are an empty list, also where the upstream says null', async () => {
      upstream.content.manifest(A, image())
      expect(await client.tags(A, 2)).to.deep.equal({ tags: [], next: undefined })
      upstream.fail('tags', body('{"name":"library/a","tags":null}'))
      expect(await client.tags(A, 2)).to.deep.equal({ tags: [], next: undefined })
    })

    it('repositories come in pages', async () => {
      for (const name of ['x', 'y', 'z']) upstream.content.manifest(name, image())
      expect(await client.repositories(2)).to.deep.equal({ repositories: ['x', 'y'], next: 'y' })
      expect(await client.repositories(2, 'y')).to.deep.equal({ repositories: ['z'], next: undefined })
    })

    it('a link to another host is not followed', async () => {
      upstream.content.manifest(A, image(), V1)
      upstream.fail('tags', headers({ link: '<http://169.254.169.254/?last=a>; rel="next"' }))
      expect((await remoteError(client.tags(A, 2))).failure).to.equal('wrong')
    })
  })

  describe('referrers', () => {
    const subject = { mediaType: OCI_MANIFEST, digest: OTHER, size: 2 }
    const entry = (n: number) => ({ mediaType: OCI_MANIFEST, digest: digestOf(`${n}`), size: n })
    const index = (...manifests: unknown[]) => ({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })

    it('come by the API', async () => {
      const digest = upstream.content.manifest(A, image({ artifactType: 'a/b', subject }))
      const { entries, fault } = await client.referrers(A, OTHER)
      const [first, ...more] = entries
      expect(fault).to.equal(undefined)
      expect(first).to.include({ digest, artifactType: 'a/b', mediaType: OCI_MANIFEST })
      expect(more).to.deep.equal([])
      expect((await client.referrers(A, digest)).entries).to.deep.equal([])
      expect(upstream.count('manifest')).to.equal(0)
    })

    it('come in pages', async () => {
      upstream.fail('referrers', exchange => {
        const n = Number(/page=(\d)/.exec(exchange.request.url ?? '')?.[1] ?? 0)
        const answer = json(index(entry(n)), OCI_INDEX)
        const link = { link: `<?page=${n + 1}>; rel="next"` }
        send(exchange, { ...answer, headers: { ...answer.headers, ...(n < 3 && link) } })
      })
      const { entries } = await client.referrers(A, OTHER)
      expect(entries).to.deep.equal([entry(0), entry(1), entry(2), entry(3)])
    })

    it('of an upstream that never ends -> wrong', async () => {
      upstream.fail('referrers', exchange => {
        const answer = json(index(entry(1)), OCI_INDEX)
        send(exchange, { ...answer, headers: { ...answer.headers, link: '<?page=1>; rel="next"' } })
      })
      const error = await remoteError(client.referrers(A, OTHER))
      expect(error.failure).to.equal('wrong')
      expect(error.message).to.include('it has more than 100 pages')
      expect(upstream.count()).to.equal(100)
    })

    it('more than 10,000 of an upstream are wrong, however many pages they come in', async () => {
      const answer = json(index(...Array.from({ length: 4000 }, (_, n) => entry(n))), OCI_INDEX)
      upstream.fail('referrers', exchange => {
        send(exchange, { ...answer, headers: { ...answer.headers, link: '<?page=1>; rel="next"' } })
      })
      const error = await remoteError(client.referrers(A, OTHER))
      expect(error.failure).to.equal('wrong')
      expect(error.message).to.include('it has more than 10000 referrers')
      expect(upstream.count()).to.equal(3)
    })

    it('come by the tag schema where there is no API', async () => {
      upstream.fail('referrers', status(404))
      upstream.content.manifest(A, index(entry(7)), OTHER.replace(':', '-'))
      expect((await client.referrers(A, OTHER)).entries).to.deep.equal([entry(7)])
      const long = digestOf('x', 'sha512')
      upstream.content.manifest(A, index(entry(8)), long.replace(':', '-').slice(0, 7 + 64))
      expect((await client.referrers(A, long)).entries).to.deep.equal([entry(8)])
    })

    it('are none where there is no API, and at the tag nothing, or no index', async () => {
      upstream.fail('referrers', status(404))
      expect(await client.referrers(A, OTHER)).to.deep.equal({ entries: [], fault: undefined })
      const tag = OTHER.replace(':', '-')
      upstream.content.manifest(A, image(), tag)
      expect(await client.referrers(A, OTHER)).to.deep.equal({
        entries: [],
        fault: `hub: its tag ${tag} is no index of referrers`,
      })
    })

    const odd = {
      ...entry(1),
      artifactType: 'application/vnd.dev.sigstore.bundle+json;version=0.2',
      annotations: { a: 'b', c: null },
      platform: {},
    }
    const bad = [null, 7, { ...entry(2), digest: 'sha256:x' }, { ...entry(2), size: '2' }, { size: 1 }]
    const ways: [way: string, list: (text: string) => void][] = [
      ['API', text => upstream.fail('referrers', body(text))],
      [
        'tag schema',
        text => {
          upstream.fail('referrers', status(404))
          upstream.fail('manifest', exchange =>
            send(exchange, { status: 200, headers: {}, body: Buffer.from(text) }),
          )
        },
      ],
    ]
    for (const [way, list] of ways) {
      it(`by the ${way}: entries with media type, digest and size are passed on, and the rest is reported`, async () => {
        list(JSON.stringify(index(odd, ...bad, entry(3))).replace('"a":"b"', '"a":"z","a":"b"'))
        expect(await client.referrers(A, OTHER)).to.deep.equal({
          entries: [{ ...entry(1), artifactType: odd.artifactType, annotations: { a: 'b' } }, entry(3)],
          fault: 'hub: 5 of its referrers have no media type, digest or size, and are left out',
        })
      })

      it(`by the ${way}: null is an empty list`, async () => {
        for (const text of ['{"manifests":null}', JSON.stringify({ mediaType: OCI_INDEX })]) {
          list(text)
          expect(await client.referrers(A, OTHER)).to.deep.equal({ entries: [], fault: undefined })
        }
      })

      it(`by the ${way}: what is no JSON object is an error and no empty list`, async () => {
        for (const text of ['[]', '<html>', '{']) {
          list(text)
          expect((await remoteError(client.referrers(A, OTHER))).failure, text).to.equal('wrong')
        }
      })
    }

    it('come with the warning of the upstream about its own', async () => {
      upstream.fail('referrers', exchange => {
        const answer = json(index(entry(1)), OCI_INDEX)
        const warning = String.raw`299 - "not whole: \"x\"", 299 - "more"`
        send(exchange, { ...answer, headers: { ...answer.headers, warning } })
      })
      expect(await client.referrers(A, OTHER)).to.deep.equal({
        entries: [entry(1)],
        fault: 'hub: not whole: "x"',
      })
    })

    it('are not none where the upstream fails', async () => {
      upstream.fail('referrers', status(503))
      expect((await remoteError(client.referrers(A, OTHER))).failure).to.equal('failed')
      upstream.fail('referrers', status(404))
      upstream.fail('manifest', status(503))
      expect((await remoteError(client.referrers(A, OTHER))).failure).to.equal('failed')
    })

    it('that are no index -> wrong', async () => {
      upstream.fail('referrers', exchange => send(exchange, json(image(), OCI_MANIFEST)))
      expect((await remoteError(client.referrers(A, OTHER))).message).to.include(
        'the list of referrers is no index',
      )
    })
  })

  it('asks below the path of the upstream', async () => {
    const below = new HttpOciUpstream(settingsFor(`${upstream.url}/cache/hub/`))
    await remoteError(below.tags(A, 1))
    expect(upstream.requests[0]?.path).to.equal('/cache/hub/v2/library/a/tags/list?n=1')
    await below.close()
  })
})

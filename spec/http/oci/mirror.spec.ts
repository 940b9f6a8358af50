import { readdir } from 'node:fs/promises'
import { request } from 'node:http'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { digestOf } from '../../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import { SIGNATURE_ANNOTATION } from '../../../src/oci/plugin-artifact.ts'
import type { Answer } from '../../support/ask.ts'
import { type Mirroring, mirrors, putArtifact } from '../../support/mirror.ts'
import { imageIndex, pushArtifact, pushBlob, putManifest } from '../../support/oci.ts'
import { plugin } from '../../support/plugins.ts'
import { blobFile, flip } from '../../support/rot.ts'
import type { RunningRegistry } from '../../support/server.ts'
import { signer } from '../../support/signer.ts'
import { tmpDir } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'
import { json } from '../../support/upstream/answers.ts'
import { hurry, relax } from '../../support/upstream/asking.ts'
import {
  blackhole,
  body,
  cut,
  endless,
  type Fault,
  hangUp,
  headers,
  send,
  stalled,
  status,
  trickle,
  without,
  wrongBytes,
} from '../../support/upstream/faults.ts'

describe('http/oci: a mirror', () => {
  const mirroring = mirrors()
  const fresh = tmpDir()

  /** Behind the shortest tagTtl of these specs. */
  const manifest = async ({ mirror }: Mirroring, reference: string, repository = 'up/app') => {
    await sleep(3)
    return mirror.ask('GET', `/v2/${repository}/manifests/${reference}`)
  }

  const blob = ({ mirror }: Mirroring, digest: string, repository = 'up/app', method = 'GET') =>
    mirror.ask(method, `/v2/${repository}/blobs/${digest}`)

  /** The files of all blobs. */
  const storedBlobs = (storage: string) =>
    readdir(join(storage, 'blobs'), { recursive: true }).then(files => files.map(file => basename(file)))

  /** Settles once the answer is there, or the connection was cut. */
  const outcome = (answer: Promise<Answer>) =>
    answer.then(
      ({ status, text }) => `${status} ${text}`,
      error => `${(error as NodeJS.ErrnoException).code}`,
    )

  describe('pulls', () => {
    it('a manifest by tag and digest, and its blobs -> the upstream’s, and then its own', async () => {
      const both = await mirroring()
      const { upstream } = both
      const { manifest: digest, layer } = putArtifact(upstream, 'app', 'v1', 'a layer')
      const answer = await manifest(both, 'v1')
      expect(answer.status, answer.text).to.equal(200)
      expect(answer.headers).to.include({ 'content-type': OCI_MANIFEST, 'docker-content-digest': digest })
      expect(digestOf(answer.bytes)).to.equal(digest)
      expect((await blob(both, layer)).text).to.equal('a layer')
      const asked = upstream.requests.map(({ method, kind }) => `${method} ${kind}`)
      expect(asked).to.deep.equal(['GET manifest', 'GET blob'])
      for (const reference of ['v1', digest]) expect((await manifest(both, reference)).status).to.equal(200)
      expect((await blob(both, layer)).text).to.equal('a layer')
      expect(upstream.requests).to.have.length(2)
    })

    it('HEAD -> of a manifest as GET; of a blob by HEAD, without its bytes', async () => {
      const both = await mirroring()
      const { manifest: digest, layer } = putArtifact(both.upstream, 'app', 'v1', 'a layer')
      const head = await both.mirror.ask('HEAD', '/v2/up/app/manifests/v1')
      expect(head.headers).to.include({ 'docker-content-digest': digest, 'content-type': OCI_MANIFEST })
      expect((await blob(both, layer, 'up/app', 'HEAD')).headers).to.include({
        'content-length': '7',
        'docker-content-digest': layer,
      })
      expect(both.upstream.count('blob', 'GET')).to.equal(0)
    })

    it('an index -> its children when they are asked for', async () => {
      const both = await mirroring()
      const children = ['one', 'two'].map(name => putArtifact(both.upstream, 'app', undefined, name).manifest)
      const entries = children.map(digest => ({ mediaType: OCI_MANIFEST, digest, size: 10 }))
      both.upstream.content.manifest('app', imageIndex(entries).toString(), 'all')
      expect((await manifest(both, 'all')).headers['content-type']).to.equal(OCI_INDEX)
      expect(both.upstream.requests).to.have.length(1)
      expect((await manifest(both, children[1] ?? '')).status).to.equal(200)
      expect(both.upstream.requests).to.have.length(2)
    })

    it('an index of blobs -> the blobs when they are asked for', async () => {
      const both = await mirroring()
      const layer = both.upstream.content.blob('a layer of a build cache')
      const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip'
      const index = imageIndex([{ mediaType, digest: layer, size: 24 }]).toString()
      const digest = both.upstream.content.manifest('app', index, 'cache')
      expect((await manifest(both, 'cache')).headers).to.include({ 'docker-content-digest': digest })
      expect((await blob(both, layer)).text).to.equal('a layer of a build cache')
      await both.upstream.stop()
      expect((await manifest(both, digest)).text).to.equal(index)
      await until(async () => (await blob(both, layer)).status === 200)
    })

    it('what the upstream does not have -> 404, and it is not asked again for a while', async () => {
      const both = await mirroring()
      putArtifact(both.upstream, 'app', 'v1', 'a layer')
      expect((await manifest(both, 'v1')).status).to.equal(200)
      for (let i = 0; i < 2; i++) {
        expect(await manifest(both, 'v2')).to.include({ status: 404, code: 'MANIFEST_UNKNOWN' })
        expect(await manifest(both, 'v2', 'up/none')).to.include({ status: 404, code: 'NAME_UNKNOWN' })
        expect(await blob(both, digestOf('none'))).to.include({ status: 404, code: 'BLOB_UNKNOWN' })
        expect(await blob(both, digestOf('none'), 'up/app', 'HEAD')).to.include({ status: 404 })
      }
      expect(both.upstream.requests).to.have.length(4)
    })

    it('by many at once -> one request', async () => {
      const both = await mirroring()
      const { layer } = putArtifact(both.upstream, 'app', 'v1', Buffer.alloc(3_000_000, 'layer'))
      both.upstream.fail('blob', trickle(20_000_000))
      const pulls = Array.from({ length: 20 }, async () => {
        expect((await manifest(both, 'v1')).status).to.equal(200)
        expect(digestOf((await blob(both, layer)).bytes)).to.equal(layer)
      })
      await Promise.all(pulls)
      expect(both.upstream.requests).to.have.length(2)
    })

    it('with ?ns= -> the repository of the upstream that has the namespace', async () => {
      const both = await mirroring({ namespace: 'up.example' })
      const { manifest: digest } = putArtifact(both.upstream, 'app', 'v1', 'a layer')
      const answer = await both.mirror.ask('GET', '/v2/app/manifests/v1?ns=up.example')
      expect(answer.headers).to.include({ 'docker-content-digest': digest, 'oci-namespace': 'up.example' })
      expect(await both.mirror.ask('GET', '/v2/app/manifests/v1')).to.include({ status: 404 })
    })

    it('with a ?ns= that no mirror has -> the repository of that name, pushed or mirrored', async () => {
      const both = await mirroring({ namespace: 'up.example' })
      const { manifest: theirs } = putArtifact(both.upstream, 'app', 'v1', 'a layer')
      const { digest: ours } = await pushArtifact(both.mirror, 'app', 'v1')
      for (const ns of ['localhost:5001', 'kind-registry', '', '%00', '../x', 'x'.repeat(1000)]) {
        for (const [name, digest] of [
          ['app', ours],
          ['up/app', theirs],
        ]) {
          const answer = await both.mirror.ask('GET', `/v2/${name}/manifests/v1?ns=${ns}`)
          expect(answer.headers, ns).to.include({ 'docker-content-digest': digest })
          expect(answer.headers, ns).not.to.have.property('oci-namespace')
        }
      }
      const tags = await both.mirror.ask('GET', '/v2/app/tags/list?ns=localhost:5001')
      expect(tags.json).to.deep.equal({ name: 'app', tags: ['v1'] })
    })

    it('a plugin -> listed where its signature verifies, else kept and not listed', async () => {
      const [alice, bob] = [signer(), signer()]
      const both = await mirroring({ server: { keys: alice.pem } })
      const signed = plugin('libmemflow_coredump-0.2.0.x86_64.so').bytes
      const other = plugin('libmemflow_native-0.2.0.x86_64.so').bytes
      const layers = [
        putArtifact(both.upstream, 'app', 'v1', signed, {
          annotations: { [SIGNATURE_ANNOTATION]: alice.sign(signed) },
        }).layer,
        putArtifact(both.upstream, 'app', 'v2', other, {
          annotations: { [SIGNATURE_ANNOTATION]: bob.sign(other) },
        }).layer,
      ]
      for (const tag of ['v1', 'v2']) expect((await manifest(both, tag)).status).to.equal(200)
      expect((await both.mirror.ask('GET', '/plugins')).json).to.deep.equal({ plugins: [] })
      for (const layer of layers) expect((await blob(both, layer)).status).to.equal(200)
      const names = async () => {
        const { plugins } = (await both.mirror.ask('GET', '/plugins')).json as { plugins: { name: string }[] }
        return plugins.map(({ name }) => name)
      }
      await until(async () => (await names()).length > 0)
      expect(await names()).to.deep.equal(['coredump'])
      const hex = digestOf(signed).slice(7)
      expect((await both.mirror.ask('GET', `/files/${hex}`)).bytes.equals(signed)).to.equal(true)
      expect((await both.mirror.ask('GET', '/v2/up/app/tags/list')).json).to.have.deep.property('tags', [
        'v1',
        'v2',
      ])
    })
  })

  describe('a tag', () => {
    it('past its time -> asked for by HEAD, fetched where it moved', async () => {
      const both = await mirroring({ tagTtl: 1 })
      const old = putArtifact(both.upstream, 'app', 'v1', 'old').manifest
      expect((await manifest(both, 'v1')).headers['docker-content-digest']).to.equal(old)
      expect((await manifest(both, 'v1')).headers['docker-content-digest']).to.equal(old)
      const asked = () => both.upstream.requests.map(({ method }) => method).join(' ')
      expect(asked()).to.equal('GET HEAD')
      const moved = putArtifact(both.upstream, 'app', 'v1', 'new').manifest
      expect((await manifest(both, 'v1')).headers['docker-content-digest']).to.equal(moved)
      expect(asked()).to.equal('GET HEAD HEAD GET')
      expect((await manifest(both, old)).status).to.equal(200)
      expect(asked()).to.equal('GET HEAD HEAD GET')
    })

    it('that never changes, by the settings -> is asked for once', async () => {
      const both = await mirroring({ tagTtl: 1, immutableTags: [/^v\d$/] })
      putArtifact(both.upstream, 'app', 'v1', 'old')
      for (let i = 0; i < 3; i++) expect((await manifest(both, 'v1')).status).to.equal(200)
      expect(both.upstream.requests).to.have.length(1)
    })
  })

  describe('an upstream that fails', () => {
    const FAULTS: [name: string, fault: Fault, status: number][] = [
      ['refuses', status(403), 502],
      ['wants credentials', status(401), 502],
      ['is busy', status(429, { 'retry-after': '700' }), 429],
      ['fails', status(500), 502],
      ['never answers', blackhole, 504],
      ['hangs up', hangUp, 503],
      ['sends another manifest', headers({ 'docker-content-digest': digestOf('another') }), 502],
      ['sends no manifest', body('[]'), 502],
    ]

    for (const [name, fault, expected] of FAULTS) {
      it(`${name} -> ${expected} for what is not here, and what is here with Warning and Age`, async () => {
        const both = await mirroring({ tagTtl: 1, negativeTtl: 1 })
        const { manifest: digest } = putArtifact(both.upstream, 'app', 'v1', 'a layer')
        putArtifact(both.upstream, 'app', 'v2', 'another layer')
        expect((await manifest(both, 'v1')).status).to.equal(200)
        const moved = putArtifact(both.upstream, 'app', 'v1', 'a newer layer').manifest
        both.upstream.fail('manifest', fault)
        if (fault === blackhole) hurry(both.settings)
        const kept = await manifest(both, 'v1')
        expect(kept.status).to.equal(200)
        expect(kept.headers['docker-content-digest']).to.equal(digest)
        expect(kept.headers.warning).to.match(/^299 - ".+"$/)
        expect(kept.headers.age).to.match(/^\d+$/)
        const unknown = await manifest(both, 'v2')
        expect(unknown.status, unknown.text).to.equal(expected)
        expect(unknown.json).to.have.nested.property('errors[0].detail.mirror', 'up')
        if (expected === 429) expect(Number(unknown.headers['retry-after'])).to.be.within(1, 700)
        else expect(unknown.headers).not.to.have.property('retry-after')
        both.upstream.heal()
        relax(both.settings)
        if (expected === 429) return
        expect((await manifest(both, 'v1')).headers).to.include({ 'docker-content-digest': moved })
        expect((await manifest(both, 'v2')).headers).not.to.have.any.keys('warning', 'age')
      })
    }

    it('has forgotten a tag that is here -> it is served, with Warning', async () => {
      const both = await mirroring({ tagTtl: 1 })
      putArtifact(both.upstream, 'app', 'v1', 'a layer')
      await manifest(both, 'v1')
      both.upstream.content.tags.clear()
      const { status, headers } = await manifest(both, 'v1')
      expect(status).to.equal(200)
      expect(headers.warning).to.match(/does not have this tag any more/)
    })

    it('sends wrong bytes -> the connection is cut, nothing is kept, and the next pull is right', async () => {
      const both = await mirroring()
      const { layer } = putArtifact(both.upstream, 'app', 'v1', 'a layer')
      both.upstream.fail('blob', wrongBytes)
      expect(await outcome(blob(both, layer))).to.equal('ECONNRESET')
      expect(await both.mirror.staged()).to.deep.equal([])
      both.upstream.heal()
      expect((await blob(both, layer)).text).to.equal('a layer')
    })

    it('breaks off -> the client does not notice', async () => {
      const both = await mirroring()
      const bytes = Buffer.alloc(2_000_000, 'layer')
      const { layer } = putArtifact(both.upstream, 'app', 'v1', bytes)
      both.upstream.fail('blob', cut(1_000_000, 'reset'), 1)
      expect((await blob(both, layer)).bytes.equals(bytes)).to.equal(true)
      expect(both.upstream.requests.at(-1)?.headers.range).to.match(/^bytes=[1-9]\d*-$/)
    })

    it('breaks off again and again -> the connection is cut', async () => {
      const both = await mirroring()
      const { layer } = putArtifact(both.upstream, 'app', 'v1', Buffer.alloc(100_000, 'layer'))
      both.upstream.fail('blob', cut(10_000, 'end'))
      expect(await outcome(blob(both, layer))).to.equal('ECONNRESET')
      expect(await both.mirror.staged()).to.deep.equal([])
    })

    it('says no size -> the blob comes when it is whole', async () => {
      const both = await mirroring()
      const { layer } = putArtifact(both.upstream, 'app', 'v1', 'a layer')
      both.upstream.fail('blob', without('content-length'))
      expect((await blob(both, layer)).text).to.equal('a layer')
    })

    it('is gone -> what is here is served, the lists too', async () => {
      const both = await mirroring({ tagTtl: 1 })
      const { layer, manifest: digest } = putArtifact(both.upstream, 'app', 'v1', 'a layer')
      await manifest(both, 'v1')
      await blob(both, layer)
      await both.upstream.stop()
      expect((await blob(both, layer)).text).to.equal('a layer')
      expect((await manifest(both, digest)).headers).not.to.have.property('warning')
      const tags = await both.mirror.ask('GET', '/v2/up/app/tags/list')
      expect(tags.json).to.deep.equal({ name: 'up/app', tags: ['v1'] })
      expect(tags.headers.warning).to.match(/^299 - "/)
      expect(await both.mirror.ask('GET', '/v2/up/none/tags/list')).to.include({ status: 503 })
      expect(await both.mirror.ask('GET', `/v2/up/app/referrers/${digest}`)).to.include({ status: 503 })
    })
  })

  describe('a blob on its way', () => {
    /** The first bytes of an answer; `leave` breaks it off. */
    const firstBytes = ({ mirror }: Mirroring, path: string, headers: Record<string, string> = {}) =>
      new Promise<{ status: number | undefined; bytes: Buffer; leave: () => void }>((resolve, reject) => {
        const asked = request(`${mirror.url}${path}`, { agent: false, headers }, answer => {
          answer.once('data', bytes =>
            resolve({ status: answer.statusCode, bytes, leave: () => asked.destroy() }),
          )
          answer.on('error', () => {})
        })
        asked.on('error', reject).end()
      })

    it('comes as the upstream sends it, and goes on when the client leaves', async () => {
      const both = await mirroring()
      const bytes = Buffer.alloc(100_000, 'layer')
      const { layer } = putArtifact(both.upstream, 'app', 'v1', bytes)
      both.upstream.fail('blob', trickle(100_000))
      const first = await firstBytes(both, `/v2/up/app/blobs/${layer}`)
      expect(first.bytes.length).to.be.below(bytes.length)
      first.leave()
      expect((await blob(both, layer)).bytes.equals(bytes)).to.equal(true)
      expect(both.upstream.requests).to.have.length(1)
    })

    it('that its only client leaves -> ends when others wait as it does, and can be asked for again', async () => {
      const both = await mirroring({ idleTimeout: 60_000, server: { policy: { mirrorFinish: 0 } } })
      const closed: string[] = []
      both.upstream.fail('blob', exchange => {
        exchange.response.once('close', () => closed.push(exchange.request.url ?? ''))
        return stalled(500_000)(exchange)
      })
      const layers = ['a', 'b', 'c', 'd', 'e'].map(
        name => putArtifact(both.upstream, 'app', 'v1', Buffer.alloc(1_000_000, name)).layer,
      )
      for (const layer of layers) (await firstBytes(both, `/v2/up/app/blobs/${layer}`)).leave()
      while (closed.length === 0) await sleep(5)
      expect(closed).to.deep.equal([`/v2/app/blobs/${layers[0]}`])
      both.upstream.heal()
      const bytes = Buffer.alloc(1_000_000, 'a')
      expect((await blob(both, layers[0] ?? '')).bytes.equals(bytes)).to.equal(true)
    })

    it('larger than the cache -> is passed on, verified and not kept', async () => {
      const both = await mirroring({ server: { policy: { mirrorMaxSize: 100_000 } } })
      const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251))
      const { layer } = putArtifact(both.upstream, 'app', 'v1', bytes)
      const path = `/v2/up/app/blobs/${layer}`
      const part = { headers: { range: 'bytes=1000-1999' } }
      const expectPassed = async () => {
        expect((await blob(both, layer)).bytes.equals(bytes)).to.equal(true)
        const range = await both.mirror.ask('GET', path, part)
        expect(range.status).to.equal(206)
        expect(range.bytes.equals(bytes.subarray(1000, 2000))).to.equal(true)
        expect(await both.mirror.staged()).to.deep.equal([])
        expect((await storedBlobs(both.mirror.storage)).includes(layer.slice(7))).to.equal(false)
      }
      // Before its manifest is here, and after that.
      await expectPassed()
      expect((await manifest(both, 'v1')).status).to.equal(200)
      await expectPassed()
      both.upstream.fail('blob', cut(100_000, 'reset'), 1)
      expect((await blob(both, layer)).bytes.equals(bytes)).to.equal(true)
      both.upstream.fail('blob', wrongBytes)
      expect(await outcome(blob(both, layer))).to.equal('ECONNRESET')
      expect(await outcome(both.mirror.ask('GET', path, part))).to.equal('ECONNRESET')
    })

    it('larger than the cache, that its client leaves -> ends', async () => {
      const both = await mirroring({ idleTimeout: 60_000, server: { policy: { mirrorMaxSize: 100_000 } } })
      const { layer } = putArtifact(both.upstream, 'app', 'v1', Buffer.alloc(300_000, 'layer'))
      expect((await manifest(both, 'v1')).status).to.equal(200)
      const closed = new Promise<void>(resolve => {
        both.upstream.fail('blob', exchange => {
          exchange.response.once('close', resolve)
          return stalled(100_000)(exchange)
        })
      })
      const { leave } = await firstBytes(both, `/v2/up/app/blobs/${layer}`)
      leave()
      await closed
    })

    it('larger than its manifest says -> is wrong, whether the upstream states a length or not', async () => {
      const both = await mirroring()
      const { layer } = putArtifact(both.upstream, 'app', 'v1', 'a layer')
      expect((await manifest(both, 'v1')).status).to.equal(200)
      both.upstream.fail('blob', body('a layer that is another one'))
      expect(await blob(both, layer)).to.include({ status: 502 })
      both.upstream.fail('blob', endless)
      expect(await outcome(blob(both, layer))).to.equal('ECONNRESET')
      expect(await both.mirror.staged()).to.deep.equal([])
    })

    it('when the registry is stopped -> is given up, and leaves nothing', async () => {
      const storage = await fresh()
      const both = await mirroring({ server: { storage } })
      const { layer } = putArtifact(both.upstream, 'app', 'v1', Buffer.alloc(1_000_000, 'layer'))
      both.upstream.fail('blob', trickle(10_000))
      const pulled = outcome(blob(both, layer))
      await until(async () => (await both.mirror.staged()).length > 0)
      await both.mirror.close()
      expect(await pulled).to.equal('ECONNRESET')
      expect(await both.mirror.staged()).to.deep.equal([])
    })

    it('a range of it -> what has come of it, at once', async () => {
      const both = await mirroring()
      const bytes = Buffer.from(Array.from({ length: 50_000 }, (_, i) => i % 251))
      const { layer } = putArtifact(both.upstream, 'app', 'v1', bytes)
      both.upstream.fail('blob', trickle(100_000))
      const path = `/v2/up/app/blobs/${layer}`
      const { leave } = await firstBytes(both, path)
      const part = await firstBytes(both, path, { range: 'bytes=100-199' })
      expect(part.status).to.equal(206)
      expect(part.bytes.equals(bytes.subarray(100, 100 + part.bytes.length))).to.equal(true)
      const rest = await both.mirror.ask('GET', path, { headers: { range: 'bytes=40000-' } })
      expect(rest.bytes.equals(bytes.subarray(40_000))).to.equal(true)
      expect(rest.headers['content-range']).to.equal('bytes 40000-49999/50000')
      leave()
      part.leave()
      expect(both.upstream.requests).to.have.length(1)
    })

    it('of another repository -> only where its own upstream has it', async () => {
      const both = await mirroring()
      const { layer } = putArtifact(both.upstream, 'app', 'v1', 'a secret')
      expect((await blob(both, layer)).text).to.equal('a secret')
      // The upstream of the specs has blobs in all repositories; here one says that it has not.
      both.upstream.fail('blob', status(404), 1)
      expect(await blob(both, layer, 'up/other')).to.include({ status: 404, code: 'BLOB_UNKNOWN' })
      expect((await blob(both, layer, 'up/third')).text).to.equal('a secret')
      expect(both.upstream.requests.map(({ method }) => method)).to.deep.equal(['GET', 'HEAD', 'HEAD'])
    })

    it('damaged here -> is fetched again', async () => {
      const both = await mirroring()
      const { layer } = putArtifact(both.upstream, 'app', 'v1', 'a layer')
      expect((await blob(both, layer)).status).to.equal(200)
      // It is kept behind the answer.
      await until(async () => (await both.mirror.staged()).length === 0)
      // Its file is noted as sound a moment later: what is read from here comes behind that.
      expect((await blob(both, layer)).text).to.equal('a layer')
      await flip(blobFile(both.mirror.storage, layer), 0)
      expect((await blob(both, layer)).text).to.equal('a layer')
      expect(both.upstream.count('blob', 'GET')).to.equal(2)
    })
  })

  describe('pushes', () => {
    const refused = async (mirror: RunningRegistry, repository: string) => {
      const begun = await mirror.write('POST', `/v2/${repository}/blobs/uploads/`)
      expect(begun).to.include({ status: 403, code: 'DENIED' })
      expect(begun.text).to.match(/is a mirror of up and takes no pushes/)
      const mounted = await mirror.write('POST', `/v2/${repository}/blobs/uploads/?mount=${digestOf('x')}`)
      expect(mounted).to.include({ status: 403, code: 'DENIED' })
      const index = await putManifest(mirror, repository, 'v9', imageIndex([]))
      expect(index).to.include({ status: 403, code: 'DENIED' })
    }

    it('under a mirror’s prefix -> 403 DENIED', async () => {
      const { mirror } = await mirroring()
      await refused(mirror, 'up/anything')
    })

    it('into a repository that a pull has begun -> 403 DENIED', async () => {
      const both = await mirroring({ prefix: undefined })
      putArtifact(both.upstream, 'app', 'v1', 'a layer')
      expect((await manifest(both, 'v1', 'app')).status).to.equal(200)
      await refused(both.mirror, 'app')
    })

    it('of a plugin whose repository a pull has begun -> refused', async () => {
      const both = await mirroring({ prefix: undefined })
      putArtifact(both.upstream, 'coredump', 'v1', 'a layer')
      expect((await manifest(both, 'v1', 'coredump')).status).to.equal(200)
      const { mirror } = both
      const form = new FormData()
      form.set(
        'file',
        new Blob([new Uint8Array(plugin('libmemflow_coredump-0.2.0.x86_64.so').bytes)]),
        'x.so',
      )
      form.set('signature', 'none')
      const authorization = `Bearer ${mirror.token}`
      const { status } = await fetch(`${mirror.url}/files`, {
        method: 'POST',
        headers: { authorization },
        body: form,
      })
      expect(status).to.equal(403)
    })

    it('begin a repository -> nothing of an upstream comes into it', async () => {
      const both = await mirroring({ prefix: undefined })
      const { manifest: theirs } = putArtifact(both.upstream, 'app', 'v2', 'a layer')
      await pushBlob(both.mirror, 'app', 'ours')
      expect(await manifest(both, 'v2', 'app')).to.include({ status: 404 })
      await pushArtifact(both.mirror, 'app', 'v1')
      expect((await manifest(both, 'v1', 'app')).status).to.equal(200)
      for (const reference of ['v2', theirs])
        expect(await manifest(both, reference, 'app')).to.include({ status: 404, code: 'MANIFEST_UNKNOWN' })
      expect(await blob(both, digestOf('a layer'), 'app')).to.include({ status: 404 })
      expect((await both.mirror.ask('GET', '/v2/app/tags/list')).json).to.have.deep.property('tags', ['v1'])
      expect(both.upstream.requests).to.deep.equal([])
    })

    it('deletes of what is cached -> it comes again', async () => {
      const both = await mirroring({ prefix: undefined })
      const { manifest: digest } = putArtifact(both.upstream, 'app', 'v1', 'a layer')
      expect((await manifest(both, 'v1', 'app')).status).to.equal(200)
      expect((await both.mirror.write('DELETE', `/v2/app/manifests/${digest}`)).status).to.equal(202)
      expect((await manifest(both, 'v1', 'app')).status).to.equal(200)
      expect(both.upstream.requests).to.have.length(2)
    })
  })

  describe('lists', () => {
    it('tags -> the upstream’s, in pages', async () => {
      const both = await mirroring()
      for (const tag of ['v1', 'v2', 'v3']) putArtifact(both.upstream, 'app', tag, 'a layer')
      const first = await both.mirror.ask('GET', '/v2/up/app/tags/list?n=2')
      expect(first.json).to.deep.equal({ name: 'up/app', tags: ['v1', 'v2'] })
      const [, next = ''] = /^<(.+)>; rel="next"$/.exec(String(first.headers.link)) ?? []
      expect((await both.mirror.ask('GET', next)).json).to.deep.equal({ name: 'up/app', tags: ['v3'] })
      expect(await both.mirror.ask('GET', '/v2/up/none/tags/list')).to.include({
        status: 404,
        code: 'NAME_UNKNOWN',
      })
    })

    for (const [way, list] of [
      ['API', 'referrers'],
      ['tag schema', 'manifest'],
    ] as const) {
      it(`referrers by the ${way} of which some are not as they should be -> the good ones, with a Warning`, async () => {
        const both = await mirroring()
        const good = {
          mediaType: OCI_MANIFEST,
          digest: digestOf('signature'),
          size: 10,
          artifactType: 'application/vnd.dev.sigstore.bundle+json;version=0.2',
        }
        if (way === 'tag schema') both.upstream.fail('referrers', status(404))
        both.upstream.fail(list, exchange =>
          send(exchange, json({ mediaType: OCI_INDEX, manifests: [good, { ...good, size: null }] })),
        )
        const path = `/v2/up/app/referrers/${digestOf('subject')}`
        for (const query of ['', `?artifactType=${encodeURIComponent(good.artifactType)}`]) {
          const answer = await both.mirror.ask('GET', path + query)
          expect(answer.json).to.have.deep.property('manifests', [good])
          expect(answer.headers.warning).to.match(
            /^299 - "the list is not whole: up: 1 of its referrers .*"$/,
          )
        }
        both.upstream.fail(list, status(500))
        const { headers } = await both.mirror.ask('GET', path)
        expect(headers.warning).to.match(/this is what was kept: .*the list is not whole: /)
      })
    }

    it('referrers -> the upstream’s, by type and in pages; those that it listed last if it fails', async () => {
      const both = await mirroring()
      const { manifest: digest } = putArtifact(both.upstream, 'app', 'v1', 'a layer')
      const subject = { mediaType: OCI_MANIFEST, digest, size: 10 }
      const referrer = (artifactType: string) =>
        putArtifact(both.upstream, 'app', undefined, 'x', { artifactType, subject }).manifest
      const all = ['a/a', 'b/b', 'c/c'].map(referrer).sort()
      const path = `/v2/up/app/referrers/${digest}`
      const listed = async (query = '') => {
        const { json, headers } = await both.mirror.ask('GET', `${path}${query}`)
        const { manifests } = json as { manifests: { digest: string }[] }
        return { digests: manifests.map(entry => entry.digest), headers }
      }
      expect((await listed()).digests).to.deep.equal(all)
      expect((await listed('?artifactType=b%2Fb')).digests).to.have.length(1)
      const page = await listed('?n=2')
      expect(page.digests).to.deep.equal(all.slice(0, 2))
      expect(page.headers.link).to.match(/rel="next"/)
      expect((await listed(`?n=2&last=${all[1]}`)).digests).to.deep.equal(all.slice(2))
      expect((await manifest(both, all[0] ?? '')).status).to.equal(200)
      both.upstream.fail('any', status(500))
      const kept = await listed()
      expect(kept.digests, 'as the upstream listed them last').to.deep.equal(all)
      expect(kept.headers.age).to.match(/^\d+$/)
      expect(kept.headers.warning).to.match(/^299 - "/)
    })
  })
})

import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { type Mirroring, mirrors, putArtifact } from '../../support/mirror.ts'
import { blackhole, body, status } from '../../support/upstream/faults.ts'

describe('http/oci: a mirror whose upstream is slow, dead or busy', () => {
  const mirroring = mirrors()

  const get = ({ mirror }: Mirroring, path: string, headers: Record<string, string> = {}) =>
    mirror.ask('GET', `/v2/up/${path}`, { headers })

  describe('if it never answers', () => {
    it('what is cached is answered all the same, stale and said so: a tag, the tags, referrers', async () => {
      const both = await mirroring({ tagTtl: 1, idleTimeout: 600_000 })
      const { manifest, layer } = putArtifact(both.upstream, 'app', 'v1', 'a layer')
      const paths = ['app/manifests/v1', 'app/tags/list', `app/referrers/${manifest}`]
      for (const path of [...paths, `app/blobs/${layer}`])
        expect((await get(both, path)).status).to.equal(200)
      while ((await both.mirror.staged()).length > 0) await sleep(5)
      both.upstream.fail('any', blackhole)
      // No answer of the upstream ever comes: these are here without one.
      for (const path of paths) {
        const { status, headers } = await get(both, path)
        expect(status, path).to.equal(200)
        expect(headers.warning, path).to.match(/^299 - "this is what was kept: up: it has not answered yet"$/)
        expect(headers.age, path).to.match(/^\d+$/)
      }
      const blob = await both.mirror.ask('HEAD', `/v2/up/app/blobs/${layer}`)
      expect(blob.status).to.equal(200)
      expect(blob.headers).not.to.have.property('warning')
    })

    it('the renewal goes on, and what comes of it is there', async () => {
      const both = await mirroring({ tagTtl: 1, idleTimeout: 600_000 })
      putArtifact(both.upstream, 'app', 'v1', 'old')
      await get(both, 'app/manifests/v1')
      const moved = putArtifact(both.upstream, 'app', 'v1', 'new').manifest
      let answer = () => {}
      const asked = new Promise<void>(resolve => {
        both.upstream.fail(
          'manifest',
          ({ response, answer: { status, headers } }) => {
            answer = () => response.writeHead(status, headers).end()
            resolve()
          },
          1,
        )
      })
      await sleep(3)
      const stale = await get(both, 'app/manifests/v1')
      expect(stale.headers).to.have.property('warning')
      await asked
      answer()
      for (;;) {
        const { headers } = await get(both, 'app/manifests/v1')
        if (headers['docker-content-digest'] === moved) break
        await sleep(5)
      }
      expect(both.upstream.count('manifest', 'GET')).to.equal(2)
    })

    it('a client that wants its word (no-cache) waits for it', async () => {
      const both = await mirroring({ tagTtl: 1, connectTimeout: 100, idleTimeout: 2500 })
      putArtifact(both.upstream, 'app', 'v1', 'a layer')
      await get(both, 'app/manifests/v1')
      both.upstream.fail('any', blackhole)
      await sleep(3)
      const { headers } = await get(both, 'app/manifests/v1', { 'cache-control': 'no-cache' })
      expect(headers.warning).to.match(/no answer within 2\.6 s/)
    })
  })

  it('a document that was refused -> is not fetched again for a while, and the reason stays', async () => {
    const both = await mirroring({ tagTtl: 1 })
    putArtifact(both.upstream, 'app', 'v1', 'a layer')
    expect((await get(both, 'app/manifests/v1')).status).to.equal(200)
    for (const [repository, tag] of [
      ['app', 'v2'],
      ['other', 'v1'],
    ] as const)
      putArtifact(both.upstream, repository, tag, 'another layer')
    both.upstream.fail('manifest', body('[]'))
    both.upstream.fail('tags', body('{"tags": 5}'))
    const paths = ['other/manifests/v1', 'app/manifests/v2', 'other/tags/list']
    const first: string[] = []
    for (const path of paths) first.push((await get(both, path)).text)
    const requests = both.upstream.requests.length
    for (const [i, path] of paths.entries()) {
      const again = await get(both, path)
      expect(again.status).to.equal(502)
      expect(again.text).to.equal(first[i])
    }
    expect(both.upstream.requests).to.have.length(requests)
  })

  it('429 for made-up tags of one repository -> others are pulled on', async () => {
    const both = await mirroring()
    const { manifest, layer } = putArtifact(both.upstream, 'app', 'v1', 'a layer')
    both.upstream.fail('manifest', status(429, { 'retry-after': '900' }), 1)
    for (let i = 0; i < 11; i++) {
      const { status, headers } = await get(both, `made-up/manifests/t${i}`)
      expect([status, headers['retry-after']]).to.deep.equal([429, '900'])
    }
    expect(both.upstream.requests).to.have.length(1)
    for (const path of [
      'app/manifests/v1',
      `app/manifests/${manifest}`,
      `app/blobs/${layer}`,
      'app/tags/list',
    ])
      expect((await get(both, path)).status, path).to.equal(200)
  })

  describe('a client that asks for too much that is not here', () => {
    const limited = () => mirroring({ tagTtl: 1, server: { policy: { mirrorRate: 30 } } })

    it('-> gets 429 with Retry-After, and what is cached as before', async () => {
      const both = await limited()
      putArtifact(both.upstream, 'app', 'v1', 'a layer')
      expect((await get(both, 'app/manifests/v1')).status).to.equal(200)
      for (let i = 0; i < 3; i++) expect((await get(both, `made-up${i}/manifests/v1`)).status).to.equal(404)
      const requests = both.upstream.requests.length
      for (const path of ['x/manifests/v1', `x/blobs/sha256:${'0'.repeat(64)}`, 'x/tags/list']) {
        const { status, headers, code } = await get(both, path)
        expect([status, code], path).to.deep.equal([429, 'TOOMANYREQUESTS'])
        expect(Number(headers['retry-after']), path).to.be.within(1, 60)
      }
      const kept = await get(both, 'app/manifests/v1')
      expect(kept.status).to.equal(200)
      expect(kept.headers.warning).to.match(/your address has asked for too much/)
      expect((await get(both, 'app/tags/list')).json).to.have.deep.property('tags', ['v1'])
      expect(both.upstream.requests).to.have.length(requests)
    })

    it('-> costs what is cached nothing', async () => {
      const both = await mirroring({ server: { policy: { mirrorRate: 30 } } })
      putArtifact(both.upstream, 'app', 'v1', 'a layer')
      for (let i = 0; i < 100; i++) expect((await get(both, 'app/manifests/v1')).status).to.equal(200)
      putArtifact(both.upstream, 'app', 'v2', 'a layer')
      expect((await get(both, 'app/manifests/v2')).status).to.equal(200)
    })
  })
})

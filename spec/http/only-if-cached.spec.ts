import { expect } from 'chai'
import { digestOf } from '../../src/oci/digest.ts'
import { mirrors, putArtifact } from '../support/mirror.ts'
import { pushBlob } from '../support/oci.ts'
import { serving } from '../support/server.ts'
import { until } from '../support/until.ts'

const ONLY = { headers: { 'cache-control': 'no-transform, only-if-cached' } }

describe('http: Cache-Control: only-if-cached', () => {
  const mirroring = mirrors()
  const plain = serving()

  it('of a blob that is not here -> 504, and no upstream is asked; once it is here -> 200', async () => {
    const { upstream, mirror } = await mirroring()
    const { layer } = putArtifact(upstream, 'app', 'v1', 'a layer')
    const path = `/v2/up/app/blobs/${layer}`
    for (const method of ['HEAD', 'GET']) {
      const { status } = await mirror.ask(method, path, ONLY)
      expect(status, method).to.equal(504)
    }
    expect((await mirror.ask('GET', path, ONLY)).text).to.contain(
      'it is not here, and no upstream was to be asked',
    )
    expect(upstream.requests).to.have.length(0)
    expect((await mirror.ask('GET', path)).text).to.equal('a layer')
    await until(async () => (await mirror.ask('HEAD', path, ONLY)).status === 200)
    expect((await mirror.ask('GET', path, ONLY)).text).to.equal('a layer')
    expect(upstream.requests).to.have.length(1)
  })

  it('of a manifest, the tags and referrers -> what is here, and no upstream is asked', async () => {
    const { upstream, mirror } = await mirroring({ tagTtl: 0 })
    const { manifest } = putArtifact(upstream, 'app', 'v1', 'a layer')
    const paths = [`/v2/up/app/manifests/${manifest}`, '/v2/up/app/manifests/v1', '/v2/up/app/tags/list']
    for (const path of paths) expect((await mirror.ask('GET', path, ONLY)).status, path).to.equal(504)
    expect(upstream.requests).to.have.length(0)
    expect((await mirror.ask('GET', '/v2/up/app/manifests/v1')).status).to.equal(200)
    for (const path of [...paths, `/v2/up/app/referrers/${manifest}`])
      expect((await mirror.ask('GET', path, ONLY)).status, path).to.equal(200)
    expect(upstream.requests).to.have.length(1)
  })

  it('of a registry without upstreams -> as without it', async () => {
    const { digest } = await pushBlob(plain(), 'a', 'content')
    expect((await plain().ask('GET', `/v2/a/blobs/${digest}`, ONLY)).text).to.equal('content')
    expect((await plain().ask('GET', `/v2/a/blobs/${digestOf('none')}`, ONLY)).status).to.equal(404)
  })
})

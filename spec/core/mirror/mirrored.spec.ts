import { expect } from 'chai'
import type { MirrorRules } from '../../../src/core/mirror/mirrors.ts'
import { reindex } from '../../../src/core/reindex.ts'
import { BUILDS, LINKS } from '../../../src/index/tables.ts'
import { SIGNATURE_ANNOTATION, SIGNATURE_TYPE } from '../../../src/oci/plugin-artifact.ts'
import { ForwardClock } from '../../support/clock.ts'
import { expectClaimed, mirrorsOf, pull } from '../../support/core-mirror.ts'
import { type FaultyUpstream, upstreams } from '../../support/faulty-upstream.ts'
import { putArtifact } from '../../support/mirror.ts'
import { plugin } from '../../support/plugins.ts'
import { type CoreOptions, registries, repo, tag } from '../../support/registry.ts'
import { everything } from '../../support/rows.ts'
import { signer } from '../../support/signer.ts'
import { without } from '../../support/upstream/faults.ts'

describe('core: mirrored repositories', () => {
  const open = registries()
  const start = upstreams()
  const alice = signer()
  const coredump = plugin('libmemflow_coredump-0.2.0.x86_64.so').bytes
  const signed = { annotations: { [SIGNATURE_ANNOTATION]: alice.sign(coredump) } }
  let upstream: FaultyUpstream

  beforeEach(async () => {
    upstream = await start()
  })

  /** A registry that mirrors all of the upstream. */
  const mirror = (options: CoreOptions = {}, rules: Partial<MirrorRules> = {}) =>
    open({ keys: alice.pem, ownStore: true, mirrors: mirrorsOf(upstream.url, rules), ...options })

  it('have no composed tags, though a plugin is at home in them and is listed', async () => {
    const { layer } = putArtifact(upstream, 'coredump', 'v1', coredump, signed)
    const registry = await mirror()
    await pull(registry, 'coredump', layer)
    await expectClaimed(registry)
    expect(await registry.names()).to.deep.equal(['coredump'])
    expect(await registry.rows(BUILDS)).to.deep.equal({})
    expect(await registry.tags('coredump')).to.deep.equal(['v1'])
  })

  it('a layer whose length the upstream does not say -> is searched for plugins as others are', async () => {
    const { layer } = putArtifact(upstream, 'coredump', 'v1', coredump, signed)
    upstream.fail('blob', without('content-length'))
    const registry = await mirror()
    await pull(registry, 'coredump', layer)
    await expectClaimed(registry)
  })

  it('without public keys -> list nothing: nobody here has vouched for it', async () => {
    const { layer } = putArtifact(upstream, 'coredump', 'v1', coredump, signed)
    const registry = await mirror({ keys: '' })
    await pull(registry, 'coredump', layer)
    await expectClaimed(registry)
    expect(await registry.names()).to.deep.equal([])
  })

  it('a signature that is pulled later -> lists the plugin', async () => {
    const { layer, manifest } = putArtifact(upstream, 'app', 'v1', coredump)
    const subject = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: manifest, size: 1 }
    putArtifact(upstream, 'app', 'signature', 'x', { artifactType: SIGNATURE_TYPE, subject, ...signed })
    const registry = await mirror()
    await pull(registry, 'app', layer)
    await expectClaimed(registry)
    expect(await registry.names()).to.deep.equal([])
    await registry.reads.manifest(repo('app'), tag('signature'))
    expect(await registry.names()).to.deep.equal(['coredump'])
  })

  it('are made anew by reindex as they were', async () => {
    const { layer } = putArtifact(upstream, 'coredump', 'v1', coredump, signed)
    putArtifact(upstream, 'other', 'v1', 'never pulled')
    const source = await mirror()
    await pull(source, 'coredump', layer)
    await expectClaimed(source)
    await source.reads.manifest(repo('other'), tag('v1'))
    const target = await open({ keys: alice.pem, store: source.store })
    await reindex(source.index, target.index, { ...source.parts, index: target.index })
    expect(await everything(target.index)).to.deep.equal(await everything(source.index))
  })

  it('keep what their manifests name through garbage collection, and miss nothing that never came', async () => {
    const clock = new ForwardClock()
    const { layer } = putArtifact(upstream, 'app', 'v1', 'a layer')
    putArtifact(upstream, 'app', 'v2', 'never pulled')
    const registry = await mirror({ clock, policy: { gcGrace: 1 } })
    await registry.collector.begin()
    await pull(registry, 'app', layer)
    await registry.reads.manifest(repo('app'), tag('v2'))
    for (let pass = 0; pass < 3; pass++) {
      clock.pass(60_000)
      await registry.collector.collect()
    }
    expect(Object.keys(await registry.rows(LINKS))).to.deep.equal([`app ${layer}`])
    await upstream.stop()
    await pull(registry, 'app', layer)
  })

  it('a tag -> is asked for again when its time is over, and then holds for as long again', async () => {
    const clock = new ForwardClock()
    putArtifact(upstream, 'app', 'v1', 'a layer')
    const registry = await mirror({ clock }, { tagTtl: 60_000 })
    const asked = async () => {
      await registry.reads.manifest(repo('app'), tag('v1'))
      return upstream.requests.map(({ method }) => method).join(' ')
    }
    expect(await asked()).to.equal('GET')
    clock.pass(59_000)
    expect(await asked()).to.equal('GET')
    clock.pass(2000)
    expect(await asked()).to.equal('GET HEAD')
    clock.pass(59_000)
    expect(await asked()).to.equal('GET HEAD')
  })

  it('that a push begins while the upstream is asked -> stay the pusher’s', async () => {
    const { manifest } = putArtifact(upstream, 'app', 'v1', 'a layer')
    const registry = await mirror()
    upstream.fail('manifest', async ({ response, answer: { headers, body } }) => {
      await registry.pushImage('app', 'ours', [await registry.pushBlob('app', 'our layer')])
      response.writeHead(200, headers).end(body)
    })
    const pulled = await registry.reads.manifest(repo('app'), tag('v1')).catch(error => error)
    expect(pulled).to.include({ error: 'NAME_UNKNOWN' })
    expect(await registry.tags('app')).to.deep.equal(['ours'])
    expect(await registry.manifests.get(repo('app'), manifest).catch(error => error)).to.include({
      error: 'MANIFEST_UNKNOWN',
    })
  })
})

import { buffer } from 'node:stream/consumers'
import { expect } from 'chai'
import { Mirrors } from '../../../src/core/mirror/mirrors.ts'
import { LINKS, MANIFESTS } from '../../../src/index/tables.ts'
import { USED } from '../../../src/index/upstream-tables.ts'
import { type Digest, digestOf } from '../../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import { SIGNATURE_ANNOTATION } from '../../../src/oci/plugin-artifact.ts'
import { ForwardClock } from '../../support/clock.ts'
import { expectClaimed, mirrorsOf, pull } from '../../support/core-mirror.ts'
import { type FaultyUpstream, upstreams } from '../../support/faulty-upstream.ts'
import { putArtifact } from '../../support/mirror.ts'
import { plugin } from '../../support/plugins.ts'
import { type CoreOptions, CoreRegistry, registries, repo, tag, tarOf } from '../../support/registry.ts'
import { signer } from '../../support/signer.ts'

const HOUR = 3_600_000
const KIB = 1024

describe('core: eviction', () => {
  const open = registries()
  const start = upstreams()
  const alice = signer()
  const coredump = plugin('libmemflow_coredump-0.2.0.x86_64.so').bytes
  const signed = { annotations: { [SIGNATURE_ANNOTATION]: alice.sign(coredump) } }
  let upstream: FaultyUpstream
  let clock: ForwardClock

  beforeEach(async () => {
    upstream = await start()
    clock = new ForwardClock()
  })

  const mirrors = () => mirrorsOf(upstream.url, { tagTtl: 1000 * HOUR })

  /** A registry that mirrors all of the upstream and keeps so many KiB of it. */
  const mirror = async (limit: number, options: CoreOptions = {}) => {
    const policy = { mirrorMaxSize: limit * KIB }
    const parts = { keys: alice.pem, ownStore: true, clock, mirrors: mirrors() } as const
    const registry = await open({ ...parts, policy, ...options })
    await registry.collector.begin()
    return registry
  }

  /** What a restart makes of it, in all but the index, which stays open. */
  const restarted = ({ store, index }: CoreRegistry, limit: number, through = mirrors()) =>
    CoreRegistry.open('', {
      ...{ store, index, clock, mirrors: through, keys: alice.pem },
      policy: { mirrorMaxSize: limit * KIB },
    })

  /** An image of one layer of so many KiB. */
  const image = (name: string, kib: number, more: object = {}) =>
    putArtifact(upstream, name, 'v1', Buffer.alloc(kib * KIB, name), more)

  /** A mirror of so many KiB that has pulled an image of 40 KiB by each name, and their layers. */
  const pulled = async (limit: number, names: readonly string[]) => {
    const registry = await mirror(limit)
    const layers: Digest[] = []
    for (const name of names) {
      const { layer } = image(name, 40)
      await pull(registry, name, layer)
      layers.push(layer)
    }
    return { registry, layers }
  }

  const read = async ({ reads }: CoreRegistry, name: string, layer: Digest) => {
    const blob = await reads.blob(repo(name), layer, 'bytes')
    return buffer((await blob.open()).read())
  }

  /** Repositories that hold a layer. */
  const held = async (registry: CoreRegistry) =>
    Object.keys(await registry.rows(LINKS)).map(key => key.split(' ')[0])

  it('lets go of what was not used for longest, which is fetched again when it is asked for', async () => {
    const [a, b, c] = [image('a', 40), image('b', 40), image('c', 40)]
    const registry = await mirror(100)
    for (const [name, { layer }] of [
      ['a', a],
      ['b', b],
      ['c', c],
    ] as const) {
      await pull(registry, name, layer)
      clock.pass(HOUR)
    }
    await pull(registry, 'a', a.layer)
    clock.pass(HOUR)
    const evicted = await registry.eviction.run()
    expect(evicted).to.include({ blobs: 1, manifests: 1 })
    expect(evicted?.left).to.be.below(90 * KIB)
    expect(await held(registry)).to.deep.equal(['a', 'c'])
    expect((await registry.stored()).includes(b.layer)).to.equal(false)
    expect((await registry.discovery.repositories(10)).items).to.deep.equal(['a', 'c'])
    const transfers = upstream.count('blob', 'GET')
    await pull(registry, 'b', b.layer)
    expect(await read(registry, 'b', b.layer)).to.deep.equal(Buffer.alloc(40 * KIB, 'b'))
    expect(upstream.count('blob', 'GET')).to.equal(transfers + 1)
  })

  it('is what gc --explain tells of', async () => {
    const { manifest, layer } = image('a', 1)
    const registry = await mirror(100)
    await pull(registry, 'a', layer)
    expect((await registry.collector.explain(manifest))?.reasons).to.deep.equal([
      {
        keeps: true,
        repository: 'a',
        why: 'a manifest that was pulled through a mirror, tagged v1: it stays until it is deleted, or evicted',
      },
    ])
  })

  it('below the limit -> nothing goes, and nothing is counted until it may be exceeded', async () => {
    const [a, b] = [image('a', 40), image('b', 40)]
    const registry = await mirror(100)
    await pull(registry, 'a', a.layer)
    clock.pass(HOUR)
    expect(await registry.eviction.run()).to.equal(undefined)
    await pull(registry, 'b', b.layer)
    clock.pass(HOUR)
    await registry.eviction.run()
    const { counts } = registry.level
    const before = counts.entries
    expect(await registry.eviction.run()).to.equal(undefined)
    expect(counts.entries).to.equal(before)
    expect(await held(registry)).to.deep.equal(['a', 'b'])
  })

  it('an image whose manifest alone is asked for -> stays with its layers', async () => {
    const { registry } = await pulled(100, ['a', 'b', 'c'])
    clock.pass(HOUR)
    await pull(registry, 'a')
    await pull(registry, 'c')
    clock.pass(HOUR)
    await registry.eviction.run()
    expect(await held(registry)).to.deep.equal(['a', 'c'])
  })

  it('an index that is asked for -> stays with the image below it and its layers', async () => {
    const { manifest, layer } = putArtifact(upstream, 'multi', undefined, Buffer.alloc(40 * KIB, 'm'))
    const manifests = [{ mediaType: OCI_MANIFEST, digest: manifest, size: 1 }]
    upstream.content.manifest('multi', { schemaVersion: 2, mediaType: OCI_INDEX, manifests }, 'v1')
    const [b, c] = [image('b', 40), image('c', 40)]
    const registry = await mirror(100)
    await pull(registry, 'multi')
    await registry.reads.manifest(repo('multi'), manifest)
    await pull(registry, 'multi', layer)
    await pull(registry, 'b', b.layer)
    await pull(registry, 'c', c.layer)
    clock.pass(HOUR)
    await pull(registry, 'multi')
    await pull(registry, 'c')
    clock.pass(HOUR)
    await registry.eviction.run()
    expect(await held(registry)).to.deep.equal(['c', 'multi'])
    expect(Object.keys(await registry.rows(MANIFESTS)))
      .to.have.length(3)
      .and.to.include(`multi ${manifest}`)
  })

  it('what was used within the last half hour -> stays, however much there is', async () => {
    const { registry } = await pulled(50, ['a', 'b'])
    clock.pass(HOUR / 4)
    expect(await registry.eviction.run()).to.include({ blobs: 0, manifests: 0 })
    expect(await registry.eviction.run()).to.equal(undefined)
    clock.pass(HOUR)
    await pull(registry, 'b')
    expect(await registry.eviction.run()).to.include({ blobs: 1, manifests: 1 })
    expect(await held(registry)).to.deep.equal(['b'])
  })

  it('what comes into use while it is about to go -> stays', async () => {
    const { registry } = await pulled(50, ['a', 'b'])
    clock.pass(HOUR)
    const verify = registry.index.verify.bind(registry.index)
    registry.index.verify = async () => {
      await verify()
      await pull(registry, 'a')
    }
    await registry.eviction.run()
    expect(await held(registry)).to.deep.equal(['a'])
  })

  it('a layer that a pushed repository holds as well -> stays on the disk', async () => {
    const [a, b] = [image('a', 40), image('b', 40)]
    const registry = await mirror(50)
    await pull(registry, 'a', a.layer)
    const layer = await registry.pushBlob('ours', Buffer.alloc(40 * KIB, 'a'))
    await registry.pushImage('ours', 'v1', [layer])
    clock.pass(HOUR)
    await pull(registry, 'b', b.layer)
    clock.pass(HOUR)
    await registry.eviction.run()
    expect(new Set(await held(registry))).to.deep.equal(new Set(['b', 'ours']))
    await upstream.stop()
    expect((await read(registry, 'ours', a.layer)).length).to.equal(40 * KIB)
  })

  it('a layer of several repositories -> counts once, and goes from all of them', async () => {
    const layer = Buffer.alloc(40 * KIB, 'x')
    for (const name of ['a', 'b', 'c']) putArtifact(upstream, name, 'v1', layer)
    const { layer: other } = image('d', 40)
    const registry = await mirror(100)
    const { layer: shared } = putArtifact(upstream, 'a', 'v1', layer)
    for (const name of ['a', 'b', 'c']) await pull(registry, name, shared)
    clock.pass(HOUR)
    await pull(registry, 'd', other)
    clock.pass(HOUR)
    expect(await registry.eviction.run()).to.equal(undefined)
    const { layer: last } = image('e', 40)
    await pull(registry, 'e', last)
    await registry.eviction.run()
    expect(await held(registry)).to.deep.equal(['d', 'e'])
  })

  it('after a restart -> still knows what was used', async () => {
    const { registry: first, layers } = await pulled(100, ['a', 'b', 'c'])
    const [a, , c] = layers as [Digest, Digest, Digest]
    clock.pass(HOUR)
    await read(first, 'a', a)
    await read(first, 'c', c)
    await first.eviction.run()
    clock.pass(HOUR)
    const second = await restarted(first, 90)
    await second.eviction.run()
    expect(await held(second)).to.deep.equal(['a', 'c'])
  })

  it('whose limit is new -> goes by when manifests came', async () => {
    const [a, b, c] = [image('a', 40), image('b', 40), image('c', 40)]
    const first = await mirror(Number.POSITIVE_INFINITY)
    for (const [name, { layer }] of [
      ['b', b],
      ['a', a],
      ['c', c],
    ] as const) {
      await pull(first, name, layer)
      clock.pass(HOUR)
    }
    expect(await first.rows(USED)).to.deep.equal({})
    const second = await restarted(first, 100)
    await second.eviction.run()
    expect(await held(second)).to.deep.equal(['a', 'c'])
  })

  it('notes of what has gone -> are forgotten', async () => {
    const [a, b] = [image('a', 40), image('b', 40)]
    const registry = await mirror(50)
    await pull(registry, 'a', a.layer)
    clock.pass(HOUR)
    await pull(registry, 'b', b.layer)
    clock.pass(HOUR)
    await registry.eviction.run()
    clock.pass(HOUR)
    const { layer: last } = image('c', 40)
    await pull(registry, 'c', last)
    await registry.eviction.run()
    expect(await registry.rows(USED)).not.to.have.any.keys(a.layer, a.manifest)
  })

  it('tags and manifests that nobody asks for again -> go, also without blobs', async () => {
    for (let n = 0; n < 30; n++) image(`app${n}`, 1, { annotations: { text: 'x'.repeat(KIB) } })
    const registry = await mirror(20)
    for (let n = 0; n < 30; n++) {
      await registry.reads.manifest(repo(`app${n}`), tag('v1'))
      clock.pass(HOUR)
    }
    expect(await registry.eviction.run()).to.include({ blobs: 0 })
    const left = Object.keys(await registry.rows(MANIFESTS)).length
    expect(left).to.be.within(8, 19)
    expect((await registry.discovery.repositories(50)).items)
      .to.have.length(left)
      .and.to.include('app29')
  })

  describe('of plugins', () => {
    const filler = async (registry: CoreRegistry) => {
      const { layer } = image('filler', 40)
      await pull(registry, 'filler', layer)
    }

    it('-> none is listed that is not here, and it is listed again when it is pulled again', async () => {
      const { layer } = putArtifact(upstream, 'coredump', 'v1', coredump, signed)
      const registry = await mirror(41)
      await pull(registry, 'coredump', layer)
      await expectClaimed(registry)
      expect(await registry.names()).to.deep.equal(['coredump'])
      clock.pass(HOUR)
      await filler(registry)
      clock.pass(HOUR / 4)
      await registry.eviction.run()
      expect(await registry.names()).to.deep.equal([])
      expect(await registry.stored()).not.to.include(layer)
      await pull(registry, 'coredump', layer)
      await expectClaimed(registry)
      expect(await registry.names()).to.deep.equal(['coredump'])
    })

    it('one that memflow’s clients alone ask for -> stays, with the archive that it comes in', async () => {
      const archive = await tarOf({ 'docs.txt': Buffer.alloc(20 * KIB), 'plugin.so': coredump })
      const { layer } = putArtifact(upstream, 'coredump', 'v1', archive, signed)
      const registry = await mirror(41)
      await pull(registry, 'coredump', layer)
      await expectClaimed(registry)
      await filler(registry)
      const binary = digestOf(coredump)
      const ready = registry.freshness.file(binary)
      clock.pass(HOUR)
      await pull(registry, 'filler')
      clock.pass(HOUR)
      // An answer that is ready is sent again.
      expect(ready()).to.equal(true)
      await registry.eviction.run()
      expect(Object.keys(await registry.rows(LINKS))).to.have.members([
        `coredump ${binary}`,
        `coredump ${layer}`,
      ])
      expect(await registry.names()).to.deep.equal(['coredump'])
      expect(await buffer((await registry.plugins.open(binary)).read())).to.deep.equal(Buffer.from(coredump))
    })
  })

  it('what has no upstream any more -> stays: it could not be fetched again', async () => {
    const a = image('a', 40)
    const first = await mirror(100)
    await pull(first, 'a', a.layer)
    clock.pass(HOUR)
    const second = await restarted(first, 1, new Mirrors())
    expect(await second.eviction.run()).to.equal(undefined)
    expect(await held(second)).to.deep.equal(['a'])
  })

  it('where the index may not know all -> evicts nothing', async () => {
    const a = image('a', 40)
    const policy = { mirrorMaxSize: 100 * KIB }
    const first = await open({ keys: alice.pem, ownStore: true, clock, mirrors: mirrors(), policy })
    await pull(first, 'a', a.layer)
    const registry = await restarted(first, 1)
    clock.pass(HOUR)
    expect(await registry.eviction.run().catch(error => error)).to.include({ error: 'INDEX_INCOMPLETE' })
    expect(await registry.eviction.run(), 'not every minute').to.equal(undefined)
    expect(await held(registry)).to.deep.equal(['a'])
  })
})

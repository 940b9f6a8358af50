import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { type MirrorRules, Mirrors } from '../../../src/core/mirror/mirrors.ts'
import type { PulledPlugins } from '../../../src/core/mirror/pulled-plugins.ts'
import { reindex } from '../../../src/core/reindex.ts'
import { UPSTREAM_LISTS } from '../../../src/index/upstream-tables.ts'
import type { MirrorSettings } from '../../../src/mirror-settings.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { HttpMemflowUpstream } from '../../../src/remote/memflow-upstream.ts'
import { HttpOciUpstream } from '../../../src/remote/oci-upstream.ts'
import { ForwardClock } from '../../support/clock.ts'
import { type FaultyUpstream, upstreams } from '../../support/faulty-upstream.ts'
import { memflowMirrorOf, putPlugin } from '../../support/memflow-mirror.ts'
import { mirrorOf, putArtifact } from '../../support/mirror.ts'
import { plugin } from '../../support/plugins.ts'
import { refusal } from '../../support/refusal.ts'
import { type CoreOptions, type CoreRegistry, registries, repo, tag } from '../../support/registry.ts'
import { everything } from '../../support/rows.ts'
import { signer } from '../../support/signer.ts'
import { until } from '../../support/until.ts'
import { blackhole, status, trickle, without } from '../../support/upstream/faults.ts'

const LINUX = 'libmemflow_coredump-0.2.0.x86_64.so'

describe('core/mirror/pulled-plugins', () => {
  const open = registries()
  const start = upstreams()
  const [alice, bob] = [signer(), signer()]
  let upstream: FaultyUpstream

  beforeEach(async () => {
    upstream = await start()
  })

  /** A registry with plugins of the upstream. */
  const mirror = (options: CoreOptions = {}, more: Partial<MirrorSettings & MirrorRules> = {}) => {
    const rules = memflowMirrorOf(upstream.url, alice.pem, more)
    const mirrors = new Mirrors([], [{ rules, upstream: new HttpMemflowUpstream(rules) }])
    return open({ upstreamKeys: alice.pem, ownStore: true, mirrors, ...options })
  }

  const fetch = async (registry: CoreRegistry, hex: string): Promise<Buffer> => {
    const file = await registry.pluginReads.file(`sha256:${hex}` as Digest, 'bytes')
    const bytes = await buffer((await file.open()).read())
    await (registry.pluginReads as PulledPlugins).settled()
    return bytes
  }

  const listed = async ({ pluginReads }: CoreRegistry, name = 'coredump') => {
    const { items, stale } = await pluginReads.variants(name, {}, 0, 9)
    return { count: items.length, reason: stale?.reason, age: stale?.age }
  }

  it('are published as the upstream created them, beside what is pushed, and reindex knows them', async () => {
    const dll = plugin('memflow_coredump-0.2.0.x86_64.dll').bytes
    for (const keys of [{}, { keys: bob.pem }]) {
      upstream.content.variants.splice(0)
      const digest = putPlugin(upstream, LINUX, alice)
      const registry = await mirror(keys)
      await fetch(registry, digest)
      await registry.publish(dll, bob.sign(dll))
      expect(await registry.platforms('coredump', '0.2.0')).to.have.all.keys('linux/amd64', 'windows/amd64')
      const [{ signature, created_at } = expect.fail()] = upstream.content.variants
      const file = await registry.plugins.metadata(`sha256:${digest}` as Digest)
      expect(file).to.include({ signature, created_at })
      const target = await open({ store: registry.store })
      await reindex(registry.index, target.index, { ...registry.parts, index: target.index })
      expect(await everything(target.index)).to.deep.equal(await everything(registry.index))
    }
  })

  it('stay through garbage collection like any other', async () => {
    const clock = new ForwardClock()
    const registry = await mirror({ clock, policy: { gcGrace: 1 } })
    await registry.collector.begin()
    const digest = putPlugin(upstream, LINUX, alice)
    await fetch(registry, digest)
    for (let pass = 0; pass < 3; pass++) {
      clock.pass(60_000)
      await registry.collector.collect()
    }
    await upstream.stop()
    expect((await fetch(registry, digest)).equals(plugin(LINUX).bytes)).to.equal(true)
  })

  it('of a repository that mirrors another upstream -> are in it, and no tag leads to them', async () => {
    const oci = mirrorOf(upstream.url, { prefix: undefined })
    const rules = memflowMirrorOf(upstream.url, alice.pem)
    const mirrors = new Mirrors(
      [{ rules: oci, upstream: new HttpOciUpstream(oci) }],
      [{ rules, upstream: new HttpMemflowUpstream(rules) }],
    )
    const registry = await mirror({ mirrors })
    putArtifact(upstream, 'coredump', 'v1', 'of somebody else')
    await registry.reads.manifest(repo('coredump'), tag('v1'))
    const digest = putPlugin(upstream, LINUX, alice)
    await fetch(registry, digest)
    expect(await listed(registry)).to.have.property('count', 1)
    expect(await registry.tags('coredump')).to.deep.equal(['v1'])
    const dll = plugin('memflow_coredump-0.2.0.x86_64.dll').bytes
    expect(await refusal(registry.publish(dll, alice.sign(dll)))).to.equal('DENIED')
  })

  it('that are no plugins, though signed -> are given, and not kept', async () => {
    const reports: unknown[] = []
    const registry = await mirror({ report: error => reports.push(error) })
    const bytes = Buffer.from('signed, and no plugin')
    const [descriptor = expect.fail()] = plugin(LINUX).descriptors
    const variant = { signature: alice.sign(bytes), created_at: '2024-03-22T18:14:53', descriptor }
    const digest = upstream.content.plugin(variant, bytes)
    expect((await fetch(registry, digest)).equals(bytes)).to.equal(true)
    expect(await registry.stored()).to.deep.equal([])
    expect(reports.map(String)).to.deep.equal(['PluginError: inventory: not supported'])
  })

  it('of a size that nobody tells -> are given when they are here', async () => {
    const registry = await mirror()
    const digest = putPlugin(upstream, LINUX, alice)
    upstream.fail('file', without('content-length'))
    const { size } = await registry.pluginReads.file(`sha256:${digest}` as Digest, 'size')
    expect(size).to.equal(plugin(LINUX).bytes.length)
    expect((await fetch(registry, digest)).equals(plugin(LINUX).bytes)).to.equal(true)
  })

  describe('lists', () => {
    it('past their time -> the upstream is asked, and what it says holds for as long again', async () => {
      const clock = new ForwardClock()
      const registry = await mirror({ clock }, { tagTtl: 60_000 })
      putPlugin(upstream, LINUX, alice)
      for (let round = 1; round <= 3; round++) {
        for (let i = 0; i < 2; i++)
          expect(await listed(registry)).to.deep.equal({ count: 1, reason: undefined, age: undefined })
        expect(upstream.count('variants')).to.equal(round)
        clock.pass(60_001)
      }
    })

    it('of an upstream that fails -> are as old as they are', async () => {
      const clock = new ForwardClock()
      const registry = await mirror({ clock }, { tagTtl: 60_000 })
      putPlugin(upstream, LINUX, alice)
      await listed(registry)
      upstream.fail('variants', status(500))
      clock.pass(90_000)
      const { count, reason, age } = await listed(registry)
      expect(count).to.equal(1)
      expect(reason).to.match(/^GET .*\/plugins\/coredump: .*500/)
      expect(age).to.be.within(90, 100)
      upstream.heal()
      await until(async () => !(await listed(registry)).reason)
    })

    it('of an upstream that is silent -> one waits for it, a little, and nobody after him', async () => {
      const clock = new ForwardClock()
      const registry = await mirror({ clock }, { patience: 500 })
      putPlugin(upstream, LINUX, alice)
      await listed(registry)
      upstream.fail('any', blackhole)
      clock.pass(3_600_000)
      await listed(registry)
      // A hundred that waited for half a second each would take 50 seconds.
      const late = new AbortController()
      const waiting = sleep(40_000, 'they wait', { signal: late.signal })
      const others = (async () => {
        for (let i = 0; i < 100; i++) expect((await listed(registry)).count).to.equal(1)
      })()
      expect(await Promise.race([others, waiting])).to.equal(undefined)
      late.abort()
      await waiting.catch(() => {})
      expect(upstream.count('variants')).to.equal(2)
      await upstream.stop()
    })

    it('that cannot be kept, because the disk is full -> take nothing away', async () => {
      const registry = await mirror()
      const dll = plugin('memflow_coredump-0.2.0.x86_64.dll').bytes
      await registry.publish(dll, alice.sign(dll))
      putPlugin(upstream, LINUX, alice)
      registry.level.fail(new Error('IO error: No space left on device'))
      expect(await listed(registry)).to.have.property('count', 1)
      expect((await listed(registry)).reason).to.match(/full/)
      registry.level.fail(undefined)
      await until(async () => (await listed(registry)).count !== 1)
    })

    it('of names that are not there -> leave no rows', async () => {
      const registry = await mirror()
      for (const name of ['none', 'a b', 'x\0y', '..', ''])
        expect((await listed(registry, name)).count).to.equal(0)
      expect(await registry.rows(UPSTREAM_LISTS)).to.deep.equal({})
      expect(upstream.requests).to.have.length(1)
    })
  })

  it('are settled when what was begun has ended', async () => {
    const registry = await mirror({}, { tagTtl: 0 })
    const digest = putPlugin(upstream, LINUX, alice)
    upstream.fail('file', trickle(20_000))
    const { open: read } = await registry.pluginReads.file(`sha256:${digest}` as Digest, 'bytes')
    await (await read()).close()
    await (registry.pluginReads as PulledPlugins).settled()
    expect(await registry.tags('coredump')).to.include('latest')
  })
})

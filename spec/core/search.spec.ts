import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { Fsck } from '../../src/core/fsck.ts'
import { reindex } from '../../src/core/reindex.ts'
import { LAYER_LIMITS, MANIFEST_LIMITS, RepositoryBudgets } from '../../src/core/search-budgets.ts'
import { OWED, VERDICTS } from '../../src/index/search-tables.ts'
import { CLAIMS } from '../../src/index/tables.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { parseTag } from '../../src/oci/name.ts'
import { PLUGIN_BINARY, SIGNATURE_ANNOTATION } from '../../src/oci/plugin-artifact.ts'
import { ForwardClock } from '../support/clock.ts'
import { CountedAnalyzer } from '../support/counted-analyzer.ts'
import type { Located } from '../support/oci.ts'
import { plugin } from '../support/plugins.ts'
import { refusal } from '../support/refusal.ts'
import { CoreRegistry, MIB, registries, repo, tarOf, wrap } from '../support/registry.ts'
import { signer } from '../support/signer.ts'
import { tmpDir } from '../support/tmp.ts'

const COREDUMP = plugin('libmemflow_coredump-0.2.0.x86_64.so').bytes
const NATIVE = plugin('libmemflow_native-0.2.0.x86_64.so').bytes

/** A tar+gzip of some kB that unpacks to so many MiB of zeros. */
const bomb = async (name: string, size: number) =>
  gzipSync(await tarOf({ [name]: Buffer.alloc(size * MIB) }), { level: 9 })

const tarOfEntries = (count: number, more: Record<string, Uint8Array> = {}) =>
  tarOf({
    ...Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, Buffer.alloc(0)])),
    ...more,
  })

describe('core: the search for plugins', () => {
  const open = registries()
  const fresh = tmpDir()
  const alice = signer()
  let analyzer: CountedAnalyzer
  let clock: ForwardClock
  let registry: CoreRegistry

  beforeEach(async () => {
    analyzer = new CountedAnalyzer()
    clock = new ForwardClock()
    registry = await open({ ownStore: true, analyzer, clock })
  })

  const put = async (repository: string, tag: string, layers: readonly Located[], more: object = {}) => {
    await registry.pushBlob(repository, '{}')
    const document = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf('{}'), size: 2 },
      layers,
      ...more,
    }
    const bytes = Buffer.from(JSON.stringify(document))
    return registry.manifests.put(repo(repository), parseTag(tag), bytes, document.mediaType)
  }

  const spend = (repository: string, of = registry) =>
    of.manifests.search.budgets.charge(repository, 512 * MIB)

  describe('of what was searched before', () => {
    it('costs nothing when another manifest names it, in any repository and by any media type', async () => {
      const layers = [
        await registry.pushBlob('a', await wrap(COREDUMP, 'tar+gzip')),
        await registry.pushBlob('a', NATIVE),
      ]
      await put('a', 'v1', layers)
      const before = { examined: 1, unpacked: 1 }
      expect(analyzer).to.include(before)
      await put(
        'a',
        'v2',
        layers.map(layer => ({ ...layer, mediaType: 'application/x-other' })),
      )
      for (const bytes of [await wrap(COREDUMP, 'tar+gzip'), NATIVE]) await registry.pushBlob('b', bytes)
      await put('b', 'v1', layers)
      expect(analyzer).to.include(before)
      expect(await registry.names()).to.deep.equal(['coredump', 'native'])
    })

    it('costs nothing when the push was refused and is made again', async () => {
      const strict = await open({
        ownStore: true,
        analyzer,
        keys: alice.pem,
        policy: { requireSignature: true },
      })
      for (const _ of [1, 2, 3])
        expect(await refusal(strict.pushPlugin('a', 'v1', COREDUMP, { as: 'tar' }))).to.equal(
          'SIGNATURE_INVALID',
        )
      expect(analyzer).to.include({ unpacked: 1 })
      for (const _ of [1, 2])
        expect(
          await refusal(
            strict.pushPlugin('a', 'v1', plugin('libplain.x86_64.so').bytes, { mediaType: PLUGIN_BINARY }),
          ),
        ).to.equal('PLUGIN_INVALID')
      expect(analyzer).to.include({ examined: 1 })
    })

    it('costs nothing when pushes at the same time name it', async () => {
      const layers = [await registry.pushBlob('a', await wrap(COREDUMP, 'tar+gzip'))]
      await Promise.all(['v1', 'v2', 'v3', 'v4'].map(tag => put('a', tag, layers, { annotations: { tag } })))
      expect(analyzer).to.include({ unpacked: 1 })
    })

    it('costs nothing after a restart, nor when the index is made anew; fsck searches again and finds no fault', async () => {
      const folder = await fresh()
      const first = await CoreRegistry.open(folder, { analyzer })
      await first.collector.begin()
      await first.pushPlugin('a', 'v1', COREDUMP, { as: 'tar+gzip' })
      await first.publish(NATIVE)
      const before = { examined: 1, unpacked: 1 }
      expect(analyzer).to.include(before)
      await first.close()
      const second = await CoreRegistry.open(folder, { analyzer })
      try {
        await second.pushPlugin('b', 'v1', COREDUMP, { as: 'tar+gzip' })
        const target = await open({ store: second.store })
        await reindex(second.index, target.index, { ...second.parts, index: target.index })
        expect(analyzer).to.include(before)
        expect(await target.rows(VERDICTS)).to.deep.equal(await second.rows(VERDICTS))
        const findings: string[] = []
        const other = await open({ store: second.store })
        const checked = { index: second.index, truth: second.index, target: other.index }
        await new Fsck(second.parts, ({ text }) => findings.push(text)).run(checked)
        expect(findings).to.deep.equal([])
        expect(analyzer).to.include({ unpacked: 2 })
      } finally {
        await second.close()
      }
    })

    it('fsck finds a verdict that is wrong', async () => {
      await registry.collector.begin()
      const layer = await registry.pushBlob('a', NATIVE)
      await put('a', 'v1', [layer])
      const [row] = Object.values(await registry.rows(VERDICTS))
      await registry.index.apply([{ table: VERDICTS, key: [layer.digest], row: { ...row, plugins: [] } }])
      const findings: string[] = []
      const other = await open({ store: registry.store })
      const checked = { index: registry.index, truth: registry.index, target: other.index }
      await new Fsck(registry.parts, ({ text }) => findings.push(text)).run(checked)
      expect(findings).to.have.length(1)
      expect(findings[0]).to.match(/^verdict .*plugins in this layer are listed wrongly$/)
    })

    it('is made again by other rules', async () => {
      await registry.pushPlugin('a', 'v1', NATIVE)
      const policy = { ...registry.parts.policy, maxPluginSize: 19 * MIB }
      const other = await open({ store: registry.store, analyzer, policy })
      await other.index.apply(
        Object.entries(await registry.rows(VERDICTS)).map(([key, row]) => ({
          table: VERDICTS,
          key: [key],
          row,
        })),
      )
      await other.pushPlugin('a', 'v1', NATIVE)
      expect(analyzer).to.include({ examined: 2 })
    })

    it('brings back a binary whose blob has gone', async () => {
      const layers = [await registry.pushBlob('a', await wrap(COREDUMP, 'tar+gzip'))]
      await put('a', 'v1', layers)
      await registry.store.remove(digestOf(COREDUMP))
      await put('a', 'v2', layers, { annotations: { a: 'b' } })
      expect(await registry.store.stat(digestOf(COREDUMP))).to.include({ size: COREDUMP.length })
    })
  })

  describe('of archives that unpack to much', () => {
    it('ends for each of them at 100 times its size, and says so', async () => {
      const bytes = await bomb('a', 60)
      const { unsearched } = await put('a', 'v1', [await registry.pushBlob('a', bytes)])
      const limit = LAYER_LIMITS.ratio * bytes.length
      expect(limit).to.be.above(LAYER_LIMITS.free)
      expect(analyzer.bytes).to.equal(limit)
      expect(unsearched).to.match(/^sha256:[0-9a-f]{64}: the archive unpacks to more than \d+ bytes$/)
    })

    it('does not grow with the manifests that name them', async () => {
      const layers: Located[] = []
      for (const name of ['a', 'b', 'c', 'd']) layers.push(await registry.pushBlob('a', await bomb(name, 30)))
      for (let i = 0; i < 10; i++) await put('a', `v${i}`, layers, { annotations: { i: `${i}` } })
      expect(analyzer).to.include({ unpacked: 4 })
    })

    it('leaves small ones alone, however well they compress', async () => {
      const archive = gzipSync(await tarOf({ zeros: Buffer.alloc(3 * MIB), plugin: COREDUMP }), { level: 9 })
      expect(archive.length * LAYER_LIMITS.ratio).to.be.below(LAYER_LIMITS.free)
      const { unsearched } = await put('a', 'v1', [await registry.pushBlob('a', archive)])
      expect([await registry.names(), unsearched]).to.deep.equal([['coredump'], undefined])
    })
  })

  describe('within the budget of a manifest', () => {
    it('finds the plugins of the layers that it suffices for, by their order, and says so', async () => {
      const large = await registry.pushBlob('a', await tarOfEntries(MANIFEST_LIMITS.entries - 1))
      const two = await registry.pushBlob('a', await tarOf({ a: COREDUMP, b: Buffer.alloc(1) }))
      const one = await registry.pushBlob('a', await tarOf({ a: NATIVE }))
      const past = await put('a', 'v1', [large, two, one])
      expect(past.unsearched).to.match(
        /^the layers of a manifest are searched for plugins up to 268435456 bytes/,
      )
      expect(await registry.names()).to.deep.equal([])
      expect((await put('a', 'v2', [large, one])).unsearched).to.equal(undefined)
      expect(await registry.names()).to.deep.equal(['native'])
      await put('a', 'v3', [two, large])
      expect(await registry.names()).to.deep.equal(['coredump', 'native'])
    })

    it('ends after 1000 layers', async () => {
      const sparse = await open({ ownStore: true, analyzer, policy: { sparseManifests: true } })
      const layer = await sparse.pushBlob('a', await tarOf({ a: COREDUMP }))
      const absent = Array.from({ length: 1000 }, (_, i) => ({ ...layer, digest: digestOf(`${i}`) }))
      await sparse.pushImage('a', 'v1', [...absent, layer])
      expect([analyzer.unpacked, await sparse.names()]).to.deep.equal([0, []])
      await sparse.pushImage('a', 'v2', [...absent.slice(1), layer])
      expect([analyzer.unpacked, await sparse.names()]).to.deep.equal([1, ['coredump']])
    })
  })

  describe("when a repository's budget for the minute is spent", () => {
    beforeEach(() => spend('a'))

    it('stores a push, says so, and searches its archives a minute later, also after a restart', async () => {
      const folder = await fresh()
      const first = await CoreRegistry.open(folder, { analyzer, clock })
      spend('a', first)
      await first.pushPlugin('a', 'v1', COREDUMP, { as: 'tar+gzip' })
      first.search.wake()
      await first.search.settled()
      expect([analyzer.unpacked, await first.names()]).to.deep.equal([0, []])
      await first.close()
      const second = await CoreRegistry.open(folder, { analyzer, clock })
      try {
        spend('a', second)
        clock.pass(61_000)
        second.search.wake()
        await second.search.settled()
        expect([analyzer.unpacked, await second.names()]).to.deep.equal([1, ['coredump']])
        expect(await second.rows(OWED)).to.deep.equal({})
      } finally {
        await second.close()
      }
    })

    it('goes on with binaries, with what is known, and in other repositories', async () => {
      await registry.pushPlugin('a', 'v1', NATIVE)
      await registry.pushPlugin('b', 'v1', COREDUMP, { as: 'tar' })
      await registry.pushPlugin('a', 'v2', COREDUMP, { as: 'tar' })
      expect(await registry.names()).to.deep.equal(['coredump', 'native'])
      expect(await registry.rows(OWED)).to.deep.equal({})
    })

    it('wakes the background for a push that owes a search, and for no other', async () => {
      let woken = 0
      registry.search.wake = () => {
        woken++
      }
      await registry.pushPlugin('a', 'v1', NATIVE)
      expect(woken).to.equal(0)
      await registry.pushPlugin('a', 'v2', COREDUMP, { as: 'tar' })
      expect(woken).to.equal(1)
    })

    it('refuses a push for now that its signature decides about', async () => {
      const layer = await registry.pushBlob('a', await wrap(COREDUMP, 'tar'))
      const signed = { annotations: { [SIGNATURE_ANNOTATION]: '3006020101020101' } }
      const error = await put('a', 'v1', [layer], signed).catch((thrown: unknown) => thrown)
      expect(error).to.be.instanceOf(RegistryError).and.include({ status: 429 })
      expect(Number((error as RegistryError).headers?.['Retry-After'])).to.be.within(50, 60)
      const strict = await open({ analyzer, clock, keys: alice.pem, policy: { requireSignature: true } })
      spend('a', strict)
      expect(await refusal(strict.pushPlugin('a', 'v1', COREDUMP, { as: 'tar' }))).to.equal('TOOMANYREQUESTS')
    })

    it('lists a layer for all manifests that name it, however many', async () => {
      const layer = await registry.pushBlob('a', await wrap(COREDUMP, 'tar'))
      for (let i = 0; i < 70; i++) await put('a', `v${i}`, [layer], { annotations: { i: `${i}` } })
      clock.pass(61_000)
      registry.search.wake()
      await registry.search.settled()
      const claims = await registry.index.page(CLAIMS, [])
      expect([claims.length, analyzer.unpacked]).to.deep.equal([70, 1])
    })

    it('gives repositories their turns in the background, whatever one of them has queued', async () => {
      spend('z')
      for (let i = 0; i < 5; i++) {
        const layer = await registry.pushBlob('a', await tarOf({ [`${i}`]: Buffer.from('text') }))
        await put('a', `v${i}`, [layer])
      }
      await registry.pushPlugin('z', 'v1', COREDUMP, { as: 'tar' })
      clock.pass(61_000)
      registry.search.wake()
      await registry.search.settled()
      expect(analyzer.owners.indexOf('z')).to.be.below(2)
      expect(analyzer.owners).to.have.length(6)
      expect(await registry.names()).to.deep.equal(['coredump'])
    })
  })

  describe('in the background', () => {
    it('gives a layer up that fails three times, and reports it', async () => {
      const reported: unknown[] = []
      const died = () => Promise.reject(new Error('thread died'))
      const broken = await open({
        ownStore: true,
        clock,
        analyzer: { examine: died, unpack: died },
        report: error => reported.push(error),
      })
      spend('a', broken)
      await broken.pushPlugin('a', 'v1', COREDUMP, { as: 'tar' })
      clock.pass(61_000)
      for (let i = 1; i <= 4; i++) {
        broken.search.wake()
        await broken.search.settled()
      }
      expect(reported.map(error => (error as Error).message)).to.deep.equal(Array(3).fill('thread died'))
      expect(await broken.rows(OWED)).to.deep.equal({})
    })

    it('has nothing left to do for manifests that were deleted', async () => {
      spend('a')
      const { digest } = await registry.pushPlugin('a', 'v1', COREDUMP, { as: 'tar' })
      await registry.manifests.delete(repo('a'), digest)
      clock.pass(61_000)
      registry.search.wake()
      await registry.search.settled()
      expect([analyzer.unpacked, await registry.rows(OWED)]).to.deep.equal([0, {}])
    })
  })

  describe('and garbage collection', () => {
    it('verdicts go with their blobs, and those of blobs that are gone as well', async () => {
      const aging = await open({ ownStore: true, analyzer, clock, policy: { gcGrace: 0 } })
      await aging.collector.begin()
      const { digest } = await aging.pushPlugin('a', 'v1', COREDUMP, { as: 'tar' })
      await aging.index.apply([
        { table: VERDICTS, key: [digestOf('gone')], row: { rules: '', bytes: 0, entries: 1, plugins: [] } },
      ])
      await aging.collector.collect()
      expect(Object.keys(await aging.rows(VERDICTS))).to.deep.equal([digestOf(await wrap(COREDUMP, 'tar'))])
      await aging.manifests.delete(repo('a'), digest)
      for (let i = 0; i < 3; i++) {
        clock.pass(1000)
        await aging.collector.collect()
      }
      expect([await aging.rows(VERDICTS), await aging.stored()]).to.deep.equal([{}, []])
    })
  })
})

describe('core/search-budgets', () => {
  it('a repository has its budget again after a minute', () => {
    const clock = new ForwardClock()
    const budgets = new RepositoryBudgets(clock)
    budgets.charge('a', 511 * MIB)
    expect(budgets.wait('a')).to.equal(0)
    budgets.charge('a', MIB)
    expect(budgets.wait('a')).to.be.within(59_000, 60_000)
    expect(budgets.wait('b')).to.equal(0)
    clock.pass(59_000)
    expect(budgets.wait('a')).to.be.within(1, 1000)
    clock.pass(1001)
    expect(budgets.wait('a')).to.equal(0)
  })
})

import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { keepingBytes } from '../../../src/core/changes.ts'
import type { Garbage, SweepOptions } from '../../../src/core/garbage/sweep.ts'
import { Registry } from '../../../src/core/registry.ts'
import { del, put } from '../../../src/index/contract.ts'
import {
  COMPLETE,
  COMPOSED,
  HOLDERS,
  LINKS,
  MANIFESTS,
  REFERENCES,
  REPOSITORIES,
} from '../../../src/index/tables.ts'
import { type Digest, digestOf } from '../../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import { ForwardClock } from '../../support/clock.ts'
import { EMPTY } from '../../support/oci.ts'
import { plugin } from '../../support/plugins.ts'
import { refusal } from '../../support/refusal.ts'
import { type CoreRegistry, once, registries, repo, tag } from '../../support/registry.ts'

const GRACE = 24 * 3_600_000
const [A, B] = [repo('a'), repo('b')]
const FIRST = plugin('libmemflow_coredump-0.2.0.x86_64.so')
const SECOND = plugin('memflow_coredump-0.2.0.x86_64.dll')

describe('core/garbage/collector', () => {
  const open = registries()
  let registry: CoreRegistry
  let clock: ForwardClock

  beforeEach(async () => {
    clock = new ForwardClock()
    registry = await open({ ownStore: true, clock })
    await registry.collector.begin()
  })

  const collect = (options?: SweepOptions) => registry.collector.collect(options)
  /** A pass that sees what is of no use, and one behind the grace period. */
  const collectAll = async () => {
    await collect()
    clock.pass(GRACE)
    return await collect()
  }
  const holds = async (repository: typeof A, digest: Digest) =>
    (await registry.index.get(LINKS, repository, digest)) !== undefined
  const isStored = async (digest: Digest) => (await registry.store.stat(digest)) !== undefined

  describe('a blob that no manifest references', () => {
    it('goes a grace period after that was seen: the link, what can be mounted, and the bytes', async () => {
      const { digest } = await registry.pushBlob('a', 'abc')
      clock.pass(10 * GRACE)
      expect(await collect()).to.include({ waiting: 1, links: 1, blobs: 1, bytes: 0 })
      clock.pass(GRACE - 60_000)
      expect((await collect()).waiting).to.equal(1)
      expect(await holds(A, digest)).to.equal(true)
      clock.pass(60_000)
      expect(await collect()).to.deep.include({
        waiting: 0,
        gone: { index: 0, repository: 0, link: 1, blob: 1 },
        bytes: 3,
      })
      expect(await refusal(registry.blobs.stat(A, digest))).to.equal('BLOB_UNKNOWN')
      expect(await registry.rows(HOLDERS)).to.deep.equal({})
      expect(await registry.stored()).to.deep.equal([])
    })

    it('keeps its bytes for another repository', async () => {
      const { digest } = await registry.pushBlob('a', 'abc')
      await registry.pushImage('b', 'v1', [await registry.pushBlob('b', 'abc')])
      expect((await collectAll()).gone).to.include({ link: 1, blob: 0 })
      expect(await holds(A, digest)).to.equal(false)
      expect(await holds(B, digest)).to.equal(true)
      expect(await isStored(digest)).to.equal(true)
    })

    for (const [way, ask] of [
      ['asked for', (digest: Digest) => registry.blobs.stat(A, digest)],
      ['pushed again', () => registry.pushBlob('a', 'abc')],
      ['mounted again', (digest: Digest) => registry.blobs.mount(A, digest)],
    ] as const) {
      it(`stays another grace period when it is ${way}: a manifest may be on its way`, async () => {
        const { digest } = await registry.pushBlob('a', 'abc')
        await collect()
        clock.pass(GRACE)
        await ask(digest)
        await collect()
        clock.pass(GRACE - 60_000)
        await collect()
        await registry.pushImage('a', 'v1', [{ mediaType: 'x/y', digest, size: 3 }])
        expect(await holds(A, digest)).to.equal(true)
      })

      it(`stays another grace period when it is ${way} while it is being noted`, async () => {
        const { digest } = await registry.pushBlob('a', 'abc')
        let asked: Promise<unknown> = Promise.reject(new Error('nothing was noted'))
        asked.catch(() => {})
        registry.level.before(async () => {
          clock.pass(GRACE / 2)
          asked = ask(digest)
          await Promise.race([asked, sleep(100)])
        })
        await collect()
        await asked
        clock.pass(GRACE - 60_000)
        await collect()
        expect(await holds(A, digest)).to.equal(true)
      })
    }

    it('begins its grace period when it is found, however long the pass has been at work by then', async () => {
      const { digest } = await registry.pushBlob('a', 'abc')
      await registry.index.apply([put(REPOSITORIES, ['left'], { created: '2024-01-01T00:00:00Z' })])
      const onGarbage = async ({ kind }: Garbage) => {
        if (kind !== 'repository') return
        clock.pass(GRACE / 2)
        await registry.blobs.stat(A, digest)
      }
      expect((await collect({ onGarbage })).gone.repository).to.equal(1)
      clock.pass(GRACE - 60_000)
      await collect()
      expect(await holds(A, digest)).to.equal(true)
    })

    it('is not what is read by who may write nothing down', async () => {
      const { digest } = await registry.pushBlob('a', 'abc')
      await collect()
      registry.level.fail(new Error('no writes'))
      expect(await registry.blobs.stat(A, digest)).to.equal(3)
      registry.level.fail(undefined)
    })

    it('begins its grace period anew once a manifest has needed it', async () => {
      const layer = await registry.pushBlob('a', 'abc')
      await collect()
      clock.pass(GRACE - 60_000)
      const { digest } = await registry.pushImage('a', 'v1', [layer])
      await registry.manifests.delete(A, digest)
      clock.pass(GRACE)
      await collect()
      expect(await holds(A, layer.digest)).to.equal(true)
    })
  })

  describe('keeps', () => {
    it('what a manifest references, tagged or not', async () => {
      const layers = [await registry.pushBlob('a', 'one'), await registry.pushBlob('a', 'two')]
      await registry.pushImage('a', undefined, layers)
      expect((await collectAll()).gone).to.deep.equal({ index: 0, repository: 0, link: 0, blob: 0 })
      for (const { digest } of [...layers, EMPTY]) expect(await holds(A, digest)).to.equal(true)
    })

    it('the plugin out of an archive, as long as its manifest is there', async () => {
      const { digest } = await registry.pushPlugin('a', 'v1', FIRST.bytes, { as: 'tar' })
      const binary = digestOf(FIRST.bytes)
      expect((await collectAll()).gone.link).to.equal(0)
      expect(await holds(A, binary)).to.equal(true)
      await registry.manifests.delete(A, digest)
      await collectAll()
      expect(await registry.stored()).to.deep.equal([])
    })

    it('what POST /files published, until it is deleted', async () => {
      await registry.publish(FIRST.bytes)
      expect((await collectAll()).gone).to.deep.equal({ index: 0, repository: 0, link: 0, blob: 0 })
      await registry.plugins.delete(digestOf(FIRST.bytes))
      await collectAll()
      expect(await registry.stored()).to.deep.equal([])
      expect(await registry.rows(LINKS)).to.deep.equal({})
      expect(await registry.rows(REFERENCES)).to.deep.equal({})
    })

    it('what comes later of a manifest that was taken sparse', async () => {
      const sparse = await open({ ownStore: true, clock, policy: { sparseManifests: true } })
      await sparse.collector.begin()
      const digest = digestOf('later')
      await sparse.pushImage('a', 'v1', [{ mediaType: 'x/y', digest, size: 5 }])
      await sparse.pushBlob('a', 'later')
      await sparse.collector.collect()
      clock.pass(GRACE)
      await sparse.collector.collect()
      expect(await sparse.blobs.stat(A, digest)).to.equal(5)
      expect(await sparse.store.stat(digest)).to.include({ size: 5 })
    })

    it('nothing for a manifest that is deleted', async () => {
      const { digest } = await registry.pushImage('a', 'v1', [await registry.pushBlob('a', 'abc')])
      await registry.manifests.delete(A, digest)
      expect((await collectAll()).gone).to.include({ link: 2, blob: 2 })
      expect(await registry.rows(REFERENCES)).to.deep.equal({})
    })

    it('what another manifest still references', async () => {
      const layer = await registry.pushBlob('a', 'abc')
      const { digest } = await registry.pushImage('a', 'v1', [layer])
      await registry.pushImage('a', 'v2', [layer], { annotations: { n: '2' } })
      await registry.manifests.delete(A, digest)
      expect((await collectAll()).gone.link).to.equal(0)
    })
  })

  describe('a blob without a holder', () => {
    it('goes once it is older than the grace period', async () => {
      const { digest } = await registry.pushBlob('a', 'abc')
      await registry.blobs.delete(A, digest)
      await collect()
      expect(await isStored(digest)).to.equal(true)
      clock.pass(GRACE)
      expect((await collect()).gone.blob).to.equal(1)
      expect(await isStored(digest)).to.equal(false)
    })

    it('stays while somebody is about to hold it', async () => {
      const { digest } = await registry.pushBlob('a', 'abc')
      await registry.blobs.delete(A, digest)
      clock.pass(GRACE)
      await keepingBytes(registry.index, [digest], async () => {
        expect((await collect()).gone.blob).to.equal(0)
      })
      expect((await collect()).gone.blob).to.equal(1)
    })

    it('stays where a plugin is read from it', async () => {
      await registry.pushPlugin('a', 'v1', FIRST.bytes)
      const digest = digestOf(FIRST.bytes)
      await registry.index.apply([del(LINKS, [A, digest]), del(HOLDERS, [digest, A])])
      await collectAll()
      expect(await isStored(digest)).to.equal(true)
    })
  })

  describe('an index that the registry composed', () => {
    const HOME = repo('coredump')
    let older: Digest

    beforeEach(async () => {
      await registry.publish(FIRST.bytes)
      older = (await registry.manifest('coredump', 'latest')).digest
    })

    const isThere = async () => (await registry.index.get(MANIFESTS, HOME, older)) !== undefined
    const follow = async () => {
      await registry.publish(SECOND.bytes)
    }

    it('stays as long as a tag points at it', async () => {
      await collectAll()
      expect(await isThere()).to.equal(true)
    })

    it('goes a grace period after a newer one has followed', async () => {
      await follow()
      await collect()
      expect(await isThere()).to.equal(true)
      clock.pass(GRACE)
      expect((await collect()).gone).to.include({ index: 1, link: 0 })
      expect(await refusal(registry.manifests.get(HOME, older))).to.equal('MANIFEST_UNKNOWN')
      expect(Object.keys(await registry.rows(COMPOSED))).to.have.length(1)
    })

    it('stays where a user has made an index of it', async () => {
      const { bytes } = await registry.manifests.get(HOME, older)
      const child = { mediaType: OCI_INDEX, digest: older, size: bytes.length }
      await registry.pushManifest('coredump', 'mine', {
        schemaVersion: 2,
        mediaType: OCI_INDEX,
        manifests: [child],
      })
      await follow()
      await collectAll()
      expect(await isThere()).to.equal(true)
    })

    it('stays where something is attached to it', async () => {
      const { bytes } = await registry.manifests.get(HOME, older)
      await registry.pushImage('coredump', undefined, [EMPTY], {
        subject: { mediaType: OCI_INDEX, digest: older, size: bytes.length },
      })
      await follow()
      await collectAll()
      expect(await isThere()).to.equal(true)
    })

    it('begins its grace period anew once a tag has come back to it', async () => {
      await follow()
      await collect()
      clock.pass(GRACE - 60_000)
      await registry.plugins.delete(digestOf(SECOND.bytes))
      expect((await registry.manifest('coredump', 'latest')).digest).to.equal(older)
      await follow()
      clock.pass(GRACE)
      await collect()
      expect(await isThere()).to.equal(true)
    })
  })

  it('removes a repository without manifests', async () => {
    await registry.index.apply([put(REPOSITORIES, ['left'], { created: '2024-01-01T00:00:00Z' })])
    await registry.pushImage('a', 'v1', [])
    expect((await collect()).gone.repository).to.equal(1)
    expect((await registry.discovery.repositories(10)).items).to.deep.equal(['a'])
  })

  it('removes uploads that were abandoned', async () => {
    const hasty = await open({ ownStore: true, policy: { uploadTtl: 20 } })
    await hasty.uploads.begin(A)
    await sleep(40)
    expect(await hasty.collector.collect().catch(() => undefined)).to.equal(undefined)
    await hasty.collector.begin()
    await hasty.uploads.begin(A)
    await sleep(40)
    expect((await hasty.collector.collect()).uploads).to.equal(1)
  })

  it('goes through any number of rows and blobs', async () => {
    const layers = await Promise.all(
      Array.from({ length: 300 }, (_, i) => registry.pushBlob('a', `layer ${i}`)),
    )
    await Promise.all(Array.from({ length: 300 }, (_, i) => registry.pushBlob('b', `orphan ${i}`)))
    await registry.pushImage('a', 'v1', layers)
    expect(await collectAll()).to.deep.include({
      links: 601,
      blobs: 601,
      waiting: 0,
      gone: { index: 0, repository: 0, link: 300, blob: 300 },
    })
    expect(await collect()).to.include({ links: 301, blobs: 301 })
  })

  describe('a dry run', () => {
    it('tells what the pass behind it then does, and changes nothing', async () => {
      await registry.publish(FIRST.bytes)
      await registry.publish(SECOND.bytes)
      await registry.pushBlob('a', 'in both')
      await registry.pushBlob('b', 'in both')
      await registry.pushImage('b', 'v1', [
        await registry.pushBlob('a', 'kept'),
        await registry.pushBlob('b', 'kept'),
      ])
      await registry.pushBlob('a', 'kept')
      await collect()
      clock.pass(GRACE)
      const before = [await registry.rows(LINKS), await registry.rows(COMPOSED), await registry.stored()]
      const would: Garbage[] = []
      const does: Garbage[] = []
      const dry = await collect({ dryRun: true, onGarbage: garbage => void would.push(garbage) })
      expect([
        await registry.rows(LINKS),
        await registry.rows(COMPOSED),
        await registry.stored(),
      ]).to.deep.equal(before)
      const real = await collect({ onGarbage: garbage => void does.push(garbage) })
      expect(would).to.deep.equal(does)
      expect(dry).to.deep.equal(real)
      expect(does.map(({ kind }) => kind)).to.deep.equal(['index', 'link', 'link', 'link', 'blob'])
    })

    it('counts what would begin its grace period, and begins none', async () => {
      const { digest } = await registry.pushBlob('a', 'abc')
      expect((await collect({ dryRun: true })).waiting).to.equal(1)
      expect(await registry.index.get(LINKS, A, digest)).to.deep.equal({ size: 3 })
    })
  })

  describe('where the index does not know the store', () => {
    beforeEach(() => registry.index.apply([del(COMPLETE, ['store'])]))

    it('refuses, and says what to run', async () => {
      await registry.pushBlob('a', 'abc')
      await registry.collector.begin()
      const failure = await registry.collector.collect().catch(error => error)
      expect(failure).to.include({ error: 'INDEX_INCOMPLETE', status: 409 })
      expect(failure.message).to.include('memflow-registry reindex')
    })

    it('refuses also when pushes have come since', async () => {
      await registry.pushBlob('a', 'abc')
      await registry.index.apply([del(LINKS, [A, digestOf('abc')]), del(HOLDERS, [digestOf('abc'), A])])
      await registry.pushImage('b', 'v1', [])
      await registry.collector.begin()
      clock.pass(GRACE)
      expect(await refusal(collect())).to.equal('INDEX_INCOMPLETE')
      expect(await isStored(digestOf('abc'))).to.equal(true)
    })

    it('collects where the store is empty: then it knows all that will be in it', async () => {
      await registry.collector.begin()
      await registry.pushBlob('a', 'abc')
      expect((await collect()).waiting).to.equal(1)
    })
  })

  describe('what ends a pass in the middle', () => {
    const damage = async () => {
      for (const { key } of await registry.index.page(LINKS, [])) {
        if (!(await isStored(key[1] as Digest))) return key
      }
      return undefined
    }

    it('leaves bytes without rows, never rows without bytes; the next pass goes on', async () => {
      for (const content of ['one', 'two', 'three']) await registry.pushBlob('a', content)
      await collect()
      clock.pass(GRACE)
      const broken = new Proxy(registry.store, {
        get: (store, name) => {
          if (name === 'remove') return () => Promise.reject(new Error('power loss'))
          const member: unknown = Reflect.get(store, name)
          return typeof member === 'function' ? member.bind(store) : member
        },
      })
      const ending = new Registry({ ...registry.parts, store: broken })
      expect(await refusal(ending.collector.collect())).to.equal('power loss')
      expect(await damage()).to.equal(undefined)
      expect(await registry.rows(LINKS)).to.deep.equal({})
      expect(await registry.stored()).to.have.length(3)
      await collect()
      expect(await registry.stored()).to.deep.equal([])
    })

    it('leaves all as it was where rows cannot be written', async () => {
      await registry.pushBlob('a', 'abc')
      await collect()
      clock.pass(GRACE)
      registry.level.fail(new Error('no space left on device'))
      expect(await refusal(collect())).to.equal('STORAGE_FULL')
      registry.level.fail(undefined)
      expect(await holds(A, digestOf('abc'))).to.equal(true)
      expect((await collect()).gone).to.include({ link: 1, blob: 1 })
    })

    it('is its signal, at the next step', async () => {
      await registry.pushBlob('a', 'abc')
      expect(await refusal(collect({ signal: AbortSignal.abort(new Error('stopped')) }))).to.equal('stopped')
      const stop = new AbortController()
      const stopped = collect({
        signal: stop.signal,
        onGarbage: () => stop.abort(new Error('stopped')),
      })
      await stopped
      clock.pass(GRACE)
      expect(
        await refusal(collect({ signal: stop.signal, onGarbage: () => stop.abort(new Error('stopped')) })),
      ).to.equal('stopped')
      expect(await damage()).to.equal(undefined)
    })
  })

  it('runs alone among passes', async () => {
    await registry.pushBlob('a', 'abc')
    await collect()
    clock.pass(GRACE)
    const passes = await Promise.all([collect(), collect(), collect()])
    expect(passes.map(({ gone }) => gone.blob)).to.deep.equal([1, 0, 0])
  })

  it('gives an upload that is committed meanwhile its bytes', async () => {
    const { digest } = await registry.pushBlob('a', 'abc')
    await registry.blobs.delete(A, digest)
    clock.pass(GRACE)
    const session = await registry.uploads.begin(B)
    await Promise.all([
      collect(),
      registry.uploads.finish(B, session, { body: once('abc') }, digest),
      collect(),
    ])
    expect(await registry.blobs.stat(B, digest)).to.equal(3)
    expect(await isStored(digest)).to.equal(true)
  })

  it('does not take a manifest whose blob has gone between two looks at it', async () => {
    const layer = await registry.pushBlob('a', 'abc')
    await registry.pushBlob('a', '{}')
    await collect()
    clock.pass(GRACE)
    const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: EMPTY, layers: [layer] }
    const [outcome] = await Promise.all([
      refusal(registry.manifests.put(A, tag('v1'), Buffer.from(JSON.stringify(document)), OCI_MANIFEST)),
      collect(),
    ])
    const kept = (await holds(A, layer.digest)) && (await isStored(layer.digest))
    expect(kept).to.equal(outcome === 'nothing: it went well')
    if (!kept) expect(outcome).to.equal('MANIFEST_BLOB_UNKNOWN')
  })
})

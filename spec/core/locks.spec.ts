import { join } from 'node:path'
import { expect } from 'chai'
import { changeRepositories } from '../../src/core/changes.ts'
import { LevelIndex } from '../../src/index/level-index.ts'
import { FACTS, MANIFESTS, REFERRERS } from '../../src/index/tables.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { SIGNATURE_ANNOTATION, SIGNATURE_TYPE } from '../../src/oci/plugin-artifact.ts'
import { FsBlobStore } from '../../src/store/fs-store.ts'
import { fill } from '../support/filled.ts'
import { EMPTY } from '../support/oci.ts'
import { plugin } from '../support/plugins.ts'
import { refusal } from '../support/refusal.ts'
import { CoreRegistry, IN_PROCESS, repo } from '../support/registry.ts'
import { signer } from '../support/signer.ts'
import { storages } from '../support/storage.ts'
import { WatchedLocks } from '../support/watched-locks.ts'

const { bytes: FILE } = plugin('libmemflow_coredump-0.2.0.x86_64.so')

const imageOf = (layers: object[]) => ({ schemaVersion: 2, mediaType: OCI_MANIFEST, config: EMPTY, layers })

describe('core: the locks of changes', () => {
  const storage = storages()
  const alice = signer()
  let locks: WatchedLocks
  let registry: CoreRegistry

  beforeEach(async () => {
    locks = new WatchedLocks()
    const folder = await storage()
    registry = await CoreRegistry.open(folder, {
      keys: alice.pem,
      store: await FsBlobStore.open(folder, { fs: locks.fs }),
      index: locks.watch(await LevelIndex.open(join(folder, 'index'))),
      analyzer: locks.analyzer(IN_PROCESS),
    })
  })

  afterEach(async () => {
    await registry.close()
    expect(locks.underLock).to.deep.equal([])
  })

  it('are watched', async () => {
    const { digest } = await registry.pushBlob('app', 'a')
    await changeRepositories(registry.index, [repo('app')], async () => {
      await registry.store.stat(digest)
    })
    expect(locks.underLock.splice(0)).to.have.length(1)
  })

  it('are not held while files are read or written, or plugins are examined', async () => {
    await registry.collector.begin()
    await fill(registry, alice)
    for (const digest of await registry.stored()) await registry.plugins.delete(digest).catch(() => {})
    await registry.collector.collect()
  })

  for (const as of ['raw', 'tar'] as const) {
    it(`are not held while files are read for a signature that comes and goes behind a plugin (${as})`, async () => {
      const subject = await registry.pushPlugin('team/x', 'v1', FILE, { as })
      expect(await registry.names()).to.deep.equal([])
      const signature = await registry.pushSignature('team/x', subject, alice.sign(FILE))
      expect(await registry.names()).to.deep.equal(['coredump'])
      await registry.manifests.delete(repo('team/x'), signature.digest)
      expect(await registry.names()).to.deep.equal([])
      await registry.manifests.delete(repo('team/x'), subject.digest)
      expect(await registry.rows(FACTS)).to.deep.equal({})
    })

    it(`are not held while files are read for a plugin that comes together with its signature (${as})`, async () => {
      // The same subject, pushed at the same time as the signature of it, in any order of the two.
      const subject = await registry.pushPlugin('team/y', 'v1', FILE, { as })
      for (let i = 0; i < 5; i++) {
        const before = await registry.manifest('team/y', subject.digest)
        expect(before.digest).to.equal(subject.digest)
        await registry.manifests.delete(repo('team/y'), subject.digest)
        const signature = registry.pushSignature('team/y', subject, alice.sign(FILE))
        await Promise.all([registry.pushPlugin('team/y', 'v1', FILE, { as }), signature])
        expect(await registry.names()).to.deep.equal(['coredump'])
        await registry.manifests.delete(repo('team/y'), (await signature).digest)
      }
      expect(await registry.names()).to.deep.equal([])
    })
  }

  it('are given up for a subject that comes while they are waited for, and taken again', async () => {
    const bytes = await registry.pushBlob('team/z', FILE)
    await registry.pushBlob('team/z', '{}')
    const manifest = () => registry.pushManifest('team/z', 'v1', imageOf([bytes]))
    const subject = await manifest()
    await registry.manifests.delete(repo('team/z'), subject.digest)
    const release = locks.hold(registry.index, 'plugins')
    // It is in line before the signature, and is not there when the signature looks for it first.
    const late = manifest()
    await locks.waiting(1)
    const signed = registry.pushManifest('team/z', undefined, {
      ...imageOf([EMPTY]),
      artifactType: SIGNATURE_TYPE,
      subject,
      annotations: { [SIGNATURE_ANNOTATION]: alice.sign(FILE) },
    })
    await locks.waiting(2)
    release()
    await Promise.all([late, signed])
    expect(await registry.names()).to.deep.equal(['coredump'])
    expect(Object.keys(await registry.rows(REFERRERS))).to.have.length(1)
    expect(Object.keys(await registry.rows(MANIFESTS))).to.have.length(2)
  })

  it('are not taken for a plugin in an archive whose signature is wrong', async () => {
    const wrong = signer().sign(FILE)
    const pushed = registry.pushPlugin('team/w', 'v1', FILE, { as: 'tar', signature: wrong })
    expect(await refusal(pushed)).to.match(/SIGNATURE_INVALID/)
    expect(await registry.rows(MANIFESTS)).to.deep.equal({})
  })

  it('are not held while the 100 layers of a manifest are looked at, once each and several at once', async () => {
    const layers = []
    for (let i = 0; i < 100; i++) layers.push(await registry.pushBlob('app', `layer ${i}`))
    await registry.pushBlob('app', '{}')
    locks.calls.length = 0
    locks.mostStats = 0
    const bytes = await registry.pushImage('app', 'v1', layers)
    const stats = locks.calls.filter(call => call.startsWith('stat /'))
    expect(stats.length).to.be.within(101, 105)
    expect(locks.mostStats).to.be.within(2, 8)
    expect((await registry.manifest('app', 'v1')).digest).to.equal(bytes.digest)
  })

  it('are held while it is looked whether the blobs of a manifest were deleted meanwhile', async () => {
    const layer = await registry.pushBlob('app', 'a layer')
    await registry.pushBlob('app', '{}')
    const release = locks.hold(registry.index, 'repository app')
    const deleted = registry.blobs.delete(repo('app'), layer.digest as Digest)
    await locks.waiting(1)
    const pushed = refusal(registry.pushManifest('app', 'v1', imageOf([layer])))
    await locks.waiting(2)
    release()
    await deleted
    expect(await pushed).to.match(/MANIFEST_BLOB_UNKNOWN/)
  })
})

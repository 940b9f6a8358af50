import { expect } from 'chai'
import { FolderReader } from '../../src/archive/folder-reader.ts'
import { FolderWriter } from '../../src/archive/folder-writer.ts'
import { Backup } from '../../src/core/backup/backup.ts'
import { backupRows } from '../../src/core/backup/backup-rows.ts'
import { Restore } from '../../src/core/backup/restore.ts'
import { type Finding, Fsck } from '../../src/core/fsck.ts'
import { del } from '../../src/index/contract.ts'
import { LINKS } from '../../src/index/tables.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { DOCUMENTS_HERE } from '../../src/oci/documents.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { ForwardClock } from '../support/clock.ts'
import type { Located } from '../support/oci.ts'
import { refusal } from '../support/refusal.ts'
import { type CoreRegistry, registries, repo } from '../support/registry.ts'
import { everything } from '../support/rows.ts'
import { tmpDir } from '../support/tmp.ts'

const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'
const CACHE = 'application/vnd.buildkit.cacheconfig.v0'
const GRACE = 24 * 3_600_000

describe('core: an index of blobs, as BuildKit writes its cache', () => {
  const open = registries()
  const fresh = tmpDir()
  let registry: CoreRegistry
  let clock: ForwardClock

  beforeEach(async () => {
    clock = new ForwardClock()
    registry = await open({ ownStore: true, clock })
    await registry.collector.begin()
  })

  const index = (manifests: readonly object[]) => ({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })

  /** Pushes an index of two blobs and a manifest; its children in this order. */
  const pushCache = async (): Promise<{ blobs: Located[]; image: Located }> => {
    const blobs = [
      await registry.pushBlob('cache', 'a layer', LAYER),
      await registry.pushBlob('cache', '{"layers":[]}', CACHE),
    ]
    const image = await registry.pushImage('cache', undefined, [])
    await registry.pushManifest('cache', 'v1', index([...blobs, image]))
    return { blobs, image }
  }

  it('is stored if the repository has its blobs, and refused if it does not', async () => {
    const { blobs, image } = await pushCache()
    const absent = { mediaType: LAYER, digest: digestOf('absent'), size: 6 }
    for (const entry of [
      absent,
      { ...image, mediaType: LAYER, digest: digestOf('no manifest') },
      { ...blobs[0], mediaType: OCI_MANIFEST },
      { ...blobs[0], mediaType: `${OCI_MANIFEST}; charset=utf-8` },
      { ...absent, digest: 'blake3:1234' },
    ]) {
      const pushed = registry.pushManifest('cache', 'v2', index([entry]))
      expect(await refusal(pushed), JSON.stringify(entry)).to.equal('MANIFEST_BLOB_UNKNOWN')
    }
    expect(await refusal(registry.pushManifest('other', 'v1', index(blobs)))).to.equal(
      'MANIFEST_BLOB_UNKNOWN',
    )
  })

  it('may name a manifest by any media type, and content that is not distributed', async () => {
    const { image } = await pushCache()
    const foreign = {
      mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
      digest: digestOf('foreign'),
      size: 7,
    }
    await registry.pushManifest('cache', 'v2', index([{ ...image, mediaType: 'application/json' }, foreign]))
    expect(await registry.tags('cache')).to.deep.equal(['v1', 'v2'])
  })

  it('holds its blobs through garbage collection until it is deleted', async () => {
    const { blobs } = await pushCache()
    const collected = async () => {
      for (let i = 0; i < 2; i++) {
        await registry.collector.collect()
        clock.pass(GRACE)
      }
      return registry.stored()
    }
    expect(await collected()).to.include.members(blobs.map(({ digest }) => digest))
    const { digest } = await registry.manifest('cache', 'v1')
    await registry.manifests.delete(repo('cache'), digest)
    expect(await collected()).not.to.include.oneOf(blobs.map(({ digest }) => digest))
  })

  it('has no findings in fsck, unless a blob is missing', async () => {
    const { blobs } = await pushCache()
    const fsck = async () => {
      const findings: Finding[] = []
      const { index: target } = await open({ ownStore: true })
      const check = new Fsck(registry.parts, finding => findings.push(finding))
      await check.run({ index: registry.index, truth: registry.index, target })
      return findings.map(({ text }) => text)
    }
    expect(await fsck()).to.deep.equal([])
    const lost = blobs[0]?.digest ?? ''
    await registry.index.apply([del(LINKS, ['cache', lost])])
    expect((await fsck()).join('\n')).to.match(new RegExp(`it needs ${lost}, which cache has not`))
  })

  it('comes back from a backup with its blobs', async () => {
    const { blobs } = await pushCache()
    const folder = await fresh()
    const rows = () => backupRows(registry.index, DOCUMENTS_HERE, [])
    const saved = await new Backup(rows, registry.store, await FolderWriter.open(folder, [])).run([])
    expect(saved).to.deep.include({ lacking: [], blobs: 3 })
    const target = await open({ ownStore: true })
    const restored = await new Restore(target.parts, new FolderReader(folder)).run()
    expect(restored).to.deep.include({ failed: [], blobs: 3 })
    expect(await everything(target.index)).to.deep.equal(await everything(registry.index))
    for (const { digest } of blobs) expect(await target.store.verify(digest)).to.equal(true)
  })

  it('is not whole in a backup that lacks a blob, and the restore reports it', async () => {
    const { blobs } = await pushCache()
    const folder = await fresh()
    await registry.store.remove(blobs[1]?.digest ?? digestOf(''))
    const rows = () => backupRows(registry.index, DOCUMENTS_HERE, [])
    const writer = await FolderWriter.open(folder, [])
    expect((await new Backup(rows, registry.store, writer).run([])).lacking).to.have.length(1)
    const target = await open({ ownStore: true })
    const { failed } = await new Restore(target.parts, new FolderReader(folder)).run()
    expect(failed).to.deep.equal([{ digest: blobs[1]?.digest, repository: 'cache', why: 'missing' }])
  })
})

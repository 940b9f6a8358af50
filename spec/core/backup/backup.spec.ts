import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { FolderReader } from '../../../src/archive/folder-reader.ts'
import { FolderWriter } from '../../../src/archive/folder-writer.ts'
import { TarWriter } from '../../../src/archive/tar-writer.ts'
import { type BackedUp, Backup } from '../../../src/core/backup/backup.ts'
import { type BackupRow, backupRows } from '../../../src/core/backup/backup-rows.ts'
import { Restore, type Restored } from '../../../src/core/backup/restore.ts'
import { unpack } from '../../../src/core/backup/unpacked.ts'
import type { Index } from '../../../src/index/contract.ts'
import { COMPOSED, LINKS, MANIFESTS, MIRRORED } from '../../../src/index/tables.ts'
import { type Digest, digestOf } from '../../../src/oci/digest.ts'
import { DOCUMENTS_HERE } from '../../../src/oci/documents.ts'
import { OCI_INDEX } from '../../../src/oci/media-types.ts'
import type { Repository } from '../../../src/oci/name.ts'
import { fill } from '../../support/filled.ts'
import { plugin } from '../../support/plugins.ts'
import { refusal } from '../../support/refusal.ts'
import { CoreRegistry, registries } from '../../support/registry.ts'
import { blobFile, flip } from '../../support/rot.ts'
import { everything } from '../../support/rows.ts'
import { signer } from '../../support/signer.ts'
import { storages } from '../../support/storage.ts'
import { tmpDir } from '../../support/tmp.ts'

describe('core: backup', () => {
  const open = registries()
  const storage = storages()
  const fresh = tmpDir()
  const alice = signer()

  async function filled(): Promise<CoreRegistry> {
    const registry = await open({ keys: alice.pem })
    await fill(registry, alice)
    return registry
  }

  const rowsOf = (index: Index, ...scope: string[]) =>
    backupRows(index, DOCUMENTS_HERE, scope as Repository[])

  async function toFolder(registry: CoreRegistry, folder: string, ...scope: string[]): Promise<BackedUp> {
    const writer = await FolderWriter.open(folder, scope)
    return new Backup(() => rowsOf(registry.index, ...scope), registry.store, writer).run(scope)
  }

  async function fromFolder(folder: string): Promise<CoreRegistry & { restored: Restored }> {
    const registry = await open({ keys: alice.pem, ownStore: true })
    const restored = await new Restore(registry.parts, new FolderReader(folder)).run()
    return Object.assign(registry, { restored })
  }

  describe('and restore', () => {
    it('by a folder: every row is again as it was, and every blob', async () => {
      const source = await filled()
      const folder = await fresh()
      const counts = await toFolder(source, folder)
      expect(counts).to.include({ repositories: 7, tags: 6 }).and.to.deep.include({ lacking: [] })
      const target = await fromFolder(folder)
      expect(await everything(target.index)).to.deep.equal(await everything(source.index))
      expect(target.restored).to.include({ repositories: 7, tags: 6, manifests: counts.manifests })
      expect(target.restored).to.deep.include({ failed: [], kept: [], others: [] })
      for (const { key } of await source.index.page(LINKS, []))
        expect(await target.store.verify(key[1] as Digest), key.join(' ')).to.equal(true)
    })

    it('by a tar: the same', async () => {
      const source = await filled()
      const tar = join(await fresh(), 'backup.tar')
      const backup = new Backup(() => rowsOf(source.index), source.store, await TarWriter.open(tar))
      expect(await backup.run([])).to.deep.include({ lacking: [] })
      const target = await open({ keys: alice.pem, ownStore: true })
      const layout = await unpack(createReadStream(tar), target.store)
      expect(await new Restore(target.parts, layout).run()).to.deep.include({ failed: [] })
      expect(await everything(target.index)).to.deep.equal(await everything(source.index))
    })

    it('keeps what a user made of an index that the registry composed and has replaced since', async () => {
      const source = await filled()
      const composed = await source.manifest('coredump', '0.2.0')
      const { digest, mediaType } = composed as unknown as { digest: Digest; mediaType: string }
      const { bytes } = await source.manifests.get('coredump' as Repository, digest)
      const document = {
        schemaVersion: 2,
        mediaType: OCI_INDEX,
        manifests: [{ mediaType, digest, size: bytes.length }],
      }
      await source.pushManifest('coredump', 'mine', document)
      const another = plugin('libmemflow_coredump-0.2.0.arm64.so').bytes
      await source.publish(another, alice.sign(another))
      expect((await source.manifest('coredump', '0.2.0')).digest).not.to.equal(digest)
      const folder = await fresh()
      await toFolder(source, folder)
      const target = await fromFolder(folder)
      expect(target.restored.failed).to.deep.equal([])
      expect((await target.manifest('coredump', digest)).digest).to.equal(digest)
      expect(await target.index.get(COMPOSED, 'coredump', digest)).to.deep.equal({})
    })

    it('of a mirrored repository: it is mirrored again, and what was not pulled is not missed', async () => {
      const source = await open({ policy: { sparseManifests: true } })
      await source.index.apply([{ table: MIRRORED, key: ['hub/app'], row: { mirror: 'hub' } }])
      const absent = { mediaType: 'text/plain', digest: digestOf('never pulled'), size: 12 }
      await source.pushImage('hub/app', 'v1', [absent])
      const folder = await fresh()
      await toFolder(source, folder)
      const target = await fromFolder(folder)
      expect(target.restored.failed).to.deep.equal([])
      expect(await target.index.get(MIRRORED, 'hub/app')).to.deep.equal({ mirror: 'hub' })
    })
  })

  describe('of some repositories', () => {
    it('has them alone, and clients find a tag of the only one by its name', async () => {
      const source = await filled()
      const folder = await fresh()
      await toFolder(source, folder, 'app')
      const { index } = await fromFolder(folder)
      expect(new Set((await index.page(MANIFESTS, [])).map(({ key }) => key[0]))).to.deep.equal(
        new Set(['app']),
      )
    })

    it('that are not here -> NAME_UNKNOWN', async () => {
      const source = await open()
      expect(await refusal(toFolder(source, await fresh(), 'nobody'))).to.equal('NAME_UNKNOWN')
    })
  })

  describe('again into the same folder', () => {
    it('copies what is new, and what is no longer needed goes', async () => {
      const source = await open()
      const folder = await fresh()
      await source.pushImage('a', 'v1', [await source.pushBlob('a', 'first')])
      expect(await toFolder(source, folder)).to.include({ newBlobs: 2, blobs: 2 })
      expect(await toFolder(source, folder)).to.include({ newBlobs: 0, newBytes: 0, blobs: 2 })
      const { digest } = await source.manifest('a', 'v1')
      await source.manifests.delete('a' as Repository, digest)
      await source.pushImage('a', 'v2', [await source.pushBlob('a', 'second')])
      expect(await toFolder(source, folder)).to.include({ newBlobs: 1, newBytes: 6, blobs: 2, manifests: 1 })
      const reader = new FolderReader(folder)
      expect(await reader.has(digestOf('first'))).to.equal(false)
      expect(await reader.has(digest)).to.equal(false)
      expect(await (await fromFolder(folder)).tags('a')).to.deep.equal(['v2'])
    })

    it('that was broken off -> the one before is still whole', async () => {
      const source = await open()
      const folder = await fresh()
      await source.pushImage('a', 'v1', [await source.pushBlob('a', 'first')])
      await toFolder(source, folder)
      const before = await source.manifest('a', 'v1')
      await source.manifests.delete('a' as Repository, before.digest)
      await source.pushImage('a', 'v1', [await source.pushBlob('a', 'second')])
      async function* broken(): AsyncGenerator<BackupRow> {
        yield* rowsOf(source.index)
        throw new Error('the registry stopped')
      }
      const writer = await FolderWriter.open(folder, [])
      expect(await refusal(new Backup(broken, source.store, writer).run([]))).to.equal('the registry stopped')
      await writer.abort()
      const target = await fromFolder(folder)
      expect(target.restored.failed).to.deep.equal([])
      expect((await target.manifest('a', 'v1')).digest).to.equal(before.digest)
    })
  })

  describe('while the registry goes on', () => {
    it('is of one moment, whatever is pushed and deleted', async () => {
      const source = await open()
      const layer = await source.pushBlob('a', 'a layer')
      for (let i = 0; i < 70; i++)
        await source.pushImage('a', `v${1000 + i}`, [layer], { annotations: { i: `${i}` } })
      const before = await everything(source.index)
      let rows = 0
      async function* meddled(): AsyncGenerator<BackupRow> {
        for await (const row of rowsOf(source.index)) {
          yield row
          if (rows++ > 0) continue
          for (const tag of ['v1000', 'v1035', 'v1069']) {
            const { digest } = await source.manifest('a', tag)
            await source.manifests.delete('a' as Repository, digest)
          }
          await source.pushImage('a', 'later', [layer])
        }
      }
      const folder = await fresh()
      await new Backup(meddled, source.store, await FolderWriter.open(folder, [])).run([])
      expect(await everything((await fromFolder(folder)).index)).to.deep.equal(before)
    })

    it('a blob that goes meanwhile -> it is of a later moment, and whole', async () => {
      const source = await open({ ownStore: true })
      const layer = await source.pushBlob('a', 'deleted')
      const image = await source.pushImage('a', 'v1', [layer])
      await source.pushImage('a', 'v2', [await source.pushBlob('a', 'stays')])
      let times = 0
      const rows = async function* () {
        yield* rowsOf(source.index)
        if (times++ > 0) return
        await source.manifests.delete('a' as Repository, image.digest)
        await source.store.remove(layer.digest)
      }
      const folder = await fresh()
      const counts = await new Backup(rows, source.store, await FolderWriter.open(folder, [])).run([])
      expect(counts).to.deep.include({ lacking: [], manifests: 1 })
      expect(times).to.equal(2)
      expect((await fromFolder(folder)).restored.failed).to.deep.equal([])
    })
  })

  describe('of a registry that has lost something', () => {
    for (const kind of ['folder', 'tar'] as const) {
      it(`to a ${kind}: tells which blobs, and has all the rest`, async () => {
        const root = await storage()
        const source = await CoreRegistry.open(root)
        const small = await source.pushBlob('a', 'flipped')
        const large = await source.pushBlob('a', Buffer.alloc(5_000_000, 'x'))
        const lost = await source.pushBlob('a', 'removed')
        const image = await source.pushImage('a', 'v1', [
          small,
          large,
          lost,
          await source.pushBlob('a', 'sound'),
        ])
        await flip(blobFile(root, small.digest), 0)
        await flip(blobFile(root, large.digest), -1)
        await rm(blobFile(root, lost.digest))
        const folder = join(await fresh(), kind === 'tar' ? 'backup.tar' : 'backup')
        const writer = kind === 'tar' ? await TarWriter.open(folder) : await FolderWriter.open(folder, [])
        const { lacking } = await new Backup(() => rowsOf(source.index), source.store, writer).run([])
        expect(lacking.map(({ digest }) => digest).sort()).to.deep.equal(
          [small, large, lost].map(({ digest }) => digest).sort(),
        )
        expect(lacking.every(({ repository, why }) => repository === 'a' && why === 'lost')).to.equal(true)
        const target = await open({ ownStore: true })
        const layout =
          kind === 'tar' ? await unpack(createReadStream(folder), target.store) : new FolderReader(folder)
        const { failed } = await new Restore(target.parts, layout).run()
        expect(failed.map(({ digest, why }) => `${digest} ${why}`).sort()).to.deep.equal(
          [small, large, lost].map(({ digest }) => `${digest} missing`).sort(),
        )
        expect((await target.manifest('a', 'v1')).digest).to.equal(image.digest)
        expect((await target.store.stat(digestOf('sound')))?.size).to.equal(5)
        expect(await refusal(target.blobs.stat('a' as Repository, small.digest))).to.equal('BLOB_UNKNOWN')
        await source.close()
      })
    }
  })
})

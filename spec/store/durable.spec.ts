import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { expect } from 'chai'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import { BLOCK } from '../../src/store/direct-writer.ts'
import { DurableDisk } from '../../src/store/durable.ts'
import { FsBlobStore } from '../../src/store/fs-store.ts'
import { body, content, push } from '../support/blobs.ts'
import { FaultyFs } from '../support/faults.ts'
import { refusal } from '../support/refusal.ts'
import { storages } from '../support/storage.ts'

describe('store/durable', () => {
  const fresh = storages()
  const max = 64 * 1024 * 1024
  const bytes = randomBytes(1_300_000)
  const digest = digestOf(bytes)
  const shard = `blobs/sha256/${hexOf(digest).slice(0, 2)}`
  let root: string
  let faulty: FaultyFs
  let store: FsBlobStore

  beforeEach(async () => {
    root = await fresh()
    faulty = new FaultyFs(root)
    store = await FsBlobStore.open(root, { fs: faulty.fs })
    faulty.calls.length = 0
  })

  describe('the order of writes', () => {
    const changes = () =>
      faulty.calls.filter(
        call => /^(writev|datasync|rename|sync|unlink|mkdir) /.test(call) && !call.includes(' quarantine/'),
      )

    it('is write, data sync, rename, sync of the folder', async () => {
      const upload = await store.begin('x')
      await upload.append(body(bytes), { max })
      await upload.commit(digest)
      expect(changes()).to.deep.equal([
        // Two blocks, and what is behind them.
        'writev uploads/x',
        'writev uploads/x',
        'writev uploads/x',
        'datasync uploads/x',
        `rename uploads/x ${shard}/${hexOf(digest)}`,
        `sync ${shard}`,
      ])
    })

    it('is unlink, sync of the folder for a removal', async () => {
      await push(store, bytes)
      faulty.calls.length = 0
      await store.remove(digest)
      expect(changes()).to.deep.equal([`unlink ${shard}/${hexOf(digest)}`, `sync ${shard}`])
    })

    it('syncs the folders of a new store from the top down', async () => {
      const deep = `${root}/new/store`
      await FsBlobStore.open(deep, { fs: faulty.fs })
      expect(faulty.calls.filter(call => call.startsWith('sync '))).to.deep.equal(
        [
          '.',
          'new',
          // Once for the file `layout`, once for the folders in it.
          'new/store',
          'new/store',
          'new/store/blobs',
          'new/store/blobs/sha256',
          'new/store/blobs/sha512',
        ].map(folder => `sync ${folder}`),
      )
    })
  })

  describe('a full disk', () => {
    for (const code of ['ENOSPC', 'EDQUOT'] as const) {
      for (const operation of ['open uploads', 'writev', 'datasync', 'rename']) {
        it(`(${code} at ${operation}) refuses the push and takes it when there is space again`, async () => {
          await push(store, Buffer.from('before'))
          faulty.fail(operation, code)
          expect(await refusal(push(store, bytes))).to.equal('STORAGE_FULL')
          expect((await content(store, digestOf('before'))).toString()).to.equal('before')
          expect(await store.stat(digest)).to.equal(undefined)
          faulty.heal()
          await store.check()
          await push(store, bytes)
          expect(await content(store, digest)).to.deep.equal(bytes)
        })
      }
    }

    it('keeps what was staged before it, and no half of a write', async () => {
      const upload = await store.begin('x')
      await upload.append(body(bytes.subarray(0, 100_000)), { max })
      faulty.halfWrites = true
      faulty.fail('writev', 'ENOSPC', 1)
      expect(await refusal(upload.append(body(bytes.subarray(100_000)), { at: 100_000, max }))).to.equal(
        'STORAGE_FULL',
      )
      expect(upload.size).to.equal(100_000)
      expect((await store.resume('x'))?.size).to.equal(100_000)
      faulty.heal()
      faulty.halfWrites = false
      await upload.append(body(bytes.subarray(100_000)), { at: 100_000, max })
      await upload.commit(digest)
    })

    it('counts half a write that could not be taken back as staged', async () => {
      const upload = await store.begin('x')
      faulty.halfWrites = true
      let writes = 0
      faulty.failIf(call =>
        call.startsWith('truncate') || (call.startsWith('writev') && ++writes > 1) ? 'EIO' : undefined,
      )
      await refusal(upload.append(body(bytes), { max }))
      faulty.heal()
      const resumed = await store.resume('x')
      const half = BLOCK / 2
      expect(resumed?.size).to.equal(half)
      await resumed?.append(body(bytes.subarray(half)), { at: half, max })
      await resumed?.commit(digest)
      expect(await content(store, digest)).to.deep.equal(bytes)
    })
  })

  describe('a sync that fails', () => {
    for (const operation of ['datasync uploads', 'sync blobs']) {
      it(`(${operation}) is not tried again: no more writes, but reads`, async () => {
        await push(store, Buffer.from('before'))
        // Now and then its folder is the same.
        faulty.calls.length = 0
        const staged = await store.begin('staged')
        faulty.fail(operation, 'EIO')
        expect(await refusal(push(store, bytes))).to.equal('READ_ONLY')
        faulty.heal()
        expect(await refusal(store.begin('y'))).to.equal('READ_ONLY')
        expect(await refusal(staged.append(body('x'), { max }))).to.equal('READ_ONLY')
        expect(await refusal(staged.commit(digestOf('')))).to.equal('READ_ONLY')
        expect(await refusal(store.remove(digestOf('before')))).to.equal('READ_ONLY')
        expect(await refusal(store.check())).to.equal('READ_ONLY')
        expect((await content(store, digestOf('before'))).toString()).to.equal('before')
        expect(
          faulty.calls.filter(call => call.startsWith(operation) && call.includes(shard)),
        ).to.have.length.at.most(1)
      })
    }

    it('takes the staged bytes with it, whose second sync would prove nothing', async () => {
      const upload = await store.begin('x')
      await upload.append(body(bytes), { max })
      faulty.fail('datasync', 'EIO')
      expect(await refusal(upload.commit(digest))).to.equal('READ_ONLY')
      expect(await (await FsBlobStore.open(root)).resume('x')).to.equal(undefined)
    })
  })

  describe('a new file', () => {
    for (const code of ['ENOSPC', 'EIO'] as const) {
      it(`has its name, or nothing has, or all writes end, whichever operation fails (${code})`, async () => {
        let hit = true
        for (let n = 0; hit; n++) {
          const disk = new DurableDisk(faulty.fs)
          faulty.calls.length = 0
          faulty.failNth(n, code)
          const file = await disk.create(`${root}/file${n}`).catch(() => undefined)
          hit = faulty.calls.length > n
          faulty.heal()
          await file?.close()
          const there = (await readdir(root)).includes(`file${n}`)
          if (file || !there) expect(there, faulty.calls[n]).to.equal(file !== undefined)
          else expect(() => disk.assertWritable(), faulty.calls[n]).to.throw(code)
        }
      })
    }
  })

  describe('any operation of a push that fails', () => {
    // One more than a push makes; the last round sees that none is left out.
    const ROUNDS = 18

    for (const code of ['ENOSPC', 'EIO'] as const) {
      for (let n = 0; n < ROUNDS; n++) {
        it(`(${code} at call ${n}) loses nothing acknowledged and lets no wrong byte in`, async () => {
          await push(store, Buffer.from('before'))
          faulty.failNth(n, code)
          const acknowledged = await push(store, bytes).then(
            () => true,
            () => false,
          )
          faulty.heal()
          const wellAfter = (await refusal(store.check())) !== 'READ_ONLY'
          if (wellAfter) await push(store, bytes)
          for (const each of [store, await FsBlobStore.open(root)]) {
            expect((await content(each, digestOf('before'))).toString()).to.equal('before')
            const there = await each.stat(digest)
            if (acknowledged || wellAfter) expect(there).to.include({ size: bytes.length })
            if (there) expect(await content(each, digest)).to.deep.equal(bytes)
          }
          if (n === ROUNDS - 1) expect(acknowledged, 'calls left out').to.equal(true)
        })
      }
    }
  })
})

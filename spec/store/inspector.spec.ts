import { randomBytes } from 'node:crypto'
import * as nodeFs from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { fileSystem } from '../../src/lib/file-system.ts'
import { type Digest, digestOf, hexOf } from '../../src/oci/digest.ts'
import { FsBlobStore, type FsStoreOptions } from '../../src/store/fs-store.ts'
import type { Damage } from '../../src/store/inspector.ts'
import { content, opened, push } from '../support/blobs.ts'
import { FaultyFs } from '../support/faults.ts'
import { openFiles } from '../support/open-files.ts'
import { refusal } from '../support/refusal.ts'
import { blobFile, flip, quarantined, ROT } from '../support/rot.ts'
import { storages } from '../support/storage.ts'

const MIB = 1024 * 1024

describe('store/inspector', () => {
  const fresh = storages()
  const small = randomBytes(2 * MIB)
  const large = randomBytes(5 * MIB)
  let root: string
  let faulty: FaultyFs
  let reports: Damage[]

  const open = (options: FsStoreOptions = {}) =>
    FsBlobStore.open(root, { fs: faulty.fs, onDamage: damage => reports.push(damage), ...options })

  /** A store of these blobs after a restart, with nothing written down yet. */
  async function holding(...blobs: Uint8Array[]): Promise<FsBlobStore> {
    const store = await FsBlobStore.open(root)
    for (const bytes of blobs) await push(store, bytes)
    const restarted = await open()
    faulty.calls.length = 0
    return restarted
  }

  /** How many parts of the blob were read. */
  const reads = (digest: Digest) =>
    faulty.calls.filter(call => call.startsWith('read ') && call.endsWith(hexOf(digest))).length

  beforeEach(async () => {
    root = await fresh()
    faulty = new FaultyFs(root)
    reports = []
  })

  describe('a small blob', () => {
    const digest = digestOf(small)

    it('is read whole before it is first given out, and not again', async () => {
      const store = await holding(small)
      expect(await content(store, digest)).to.deep.equal(small)
      expect(reads(digest)).to.equal(4)
      for (let i = 0; i < 3; i++) await content(store, digest)
      expect(reads(digest)).to.equal(4 + 3 * 2)
    })

    it('is read whole once for all who ask at the same time', async () => {
      const store = await holding(small)
      await Promise.all(Array.from({ length: 8 }, () => content(store, digest)))
      expect(reads(digest)).to.equal(2 + 8 * 2)
    })

    it('that was pushed is known already', async () => {
      const store = await open()
      await push(store, small)
      faulty.calls.length = 0
      await content(store, digest)
      expect(reads(digest)).to.equal(2)
    })

    it('is read whole again when its time is over', async () => {
      const store = await holding(small)
      const impatient = await open({ verifyEvery: 1 })
      for (const each of [store, impatient]) await content(each, digest)
      faulty.calls.length = 0
      await new Promise(resolve => setTimeout(resolve, 5))
      for (const each of [store, impatient]) await content(each, digest)
      expect(reads(digest)).to.equal(2 + 4)
    })

    it('is given out as it is where nothing is to be verified', async () => {
      await holding(small)
      await flip(blobFile(root, digest), 5)
      const store = await open({ verifyEvery: Number.POSITIVE_INFINITY })
      expect((await content(store, digest))[5]).to.equal((small[5] ?? 0) ^ 1)
      expect(reports).to.deep.equal([])
    })

    for (const [what, damage] of Object.entries(ROT)) {
      for (const when of ['under a running registry', 'before the start'] as const) {
        it(`with ${what}, ${when} -> is absent, put aside, told of once; a push heals it`, async () => {
          const running = await holding(small)
          if (when === 'under a running registry') await content(running, digest)
          await damage(blobFile(root, digest))
          const { size } = await nodeFs.stat(blobFile(root, digest))
          const store = when === 'before the start' ? await open() : running

          expect(await store.open(digest)).to.equal(undefined)
          expect(await store.stat(digest)).to.equal(undefined)
          expect(await store.open(digest)).to.equal(undefined)
          expect(await quarantined(root)).to.deep.equal([`sha256-${hexOf(digest)}`])
          expect(reports).to.deep.equal([
            {
              digest,
              size,
              count: 1,
              quarantined: `${root}/quarantine/sha256-${hexOf(digest)}`,
              failure: undefined,
            },
          ])

          await push(store, small)
          expect(await content(store, digest)).to.deep.equal(small)
          expect(await quarantined(root)).to.deep.equal([])
        })
      }
    }

    it('that is damaged is absent for who only asks whether it is there', async () => {
      const store = await holding(small)
      await flip(blobFile(root, digest), 5)
      expect(await store.stat(digest)).to.equal(undefined)
      expect(reports).to.have.length(1)
    })

    it('is put aside durably', async () => {
      const store = await holding(small)
      await flip(blobFile(root, digest), 5)
      await store.open(digest)
      const shard = `blobs/sha256/${hexOf(digest).slice(0, 2)}`
      expect(faulty.calls.filter(call => /^(rename|sync) /.test(call))).to.deep.equal([
        `rename ${shard}/${hexOf(digest)} quarantine/sha256-${hexOf(digest)}`,
        'sync quarantine',
        `sync ${shard}`,
      ])
    })

    it('by sha512 is looked at like any other', async () => {
      const store = await FsBlobStore.open(root)
      const { digest } = await push(store, small, 'sha512')
      await flip(blobFile(root, digest), 7)
      expect(await store.open(digest)).to.equal(undefined)
      expect(await quarantined(root)).to.deep.equal([`sha512-${hexOf(digest)}`])
    })

    it('may be empty', async () => {
      const store = await holding(Buffer.alloc(0))
      expect(await content(store, digestOf(''))).to.have.length(0)
    })
  })

  describe('a large blob', () => {
    const digest = digestOf(large)

    it('is hashed while it is first read, and read once', async () => {
      const store = await holding(large)
      expect(await content(store, digest)).to.deep.equal(large)
      expect(reads(digest)).to.equal(5)
    })

    for (const [what, damage] of Object.entries(ROT).filter(([name]) => name !== 'nothing left')) {
      it(`with ${what} -> breaks off before its last byte, and is absent then; a push heals it`, async () => {
        const store = await holding(large)
        await damage(blobFile(root, digest))
        const received: Buffer[] = []
        const reading = (async () => {
          const blob = await opened(store, digest)
          // As HTTP does: as many bytes as the blob is known to have.
          for await (const chunk of blob.read({ start: 0, end: large.length - 1 })) received.push(chunk)
        })()
        expect(await refusal(reading)).to.equal('BLOB_UNKNOWN')
        expect(Buffer.concat(received).length).to.be.below(large.length)
        expect(await store.open(digest)).to.equal(undefined)
        expect(await quarantined(root)).to.deep.equal([`sha256-${hexOf(digest)}`])
        expect(reports).to.have.length(1)

        await push(store, large)
        expect(await content(store, digest)).to.deep.equal(large)
        expect(await quarantined(root)).to.deep.equal([])
      })
    }

    it('is hashed whole before a part of it is given out, once for all who ask', async () => {
      const store = await holding(large)
      const parts = await Promise.all(
        [0, 1, 2, 3].map(async n => {
          const range = { start: n * MIB + 1, end: n * MIB + 100 }
          return (await opened(store, digest)).read(range).toArray()
        }),
      )
      for (const [n, part] of parts.entries())
        expect(Buffer.concat(part)).to.deep.equal(large.subarray(n * MIB + 1, n * MIB + 101))
      expect(reads(digest)).to.equal(5 + 4)
    })

    it('is hashed once for several parts that are read from one handle, however short it is remembered', async () => {
      await holding(large)
      const store = await open({ verifyEvery: 1 })
      const blob = await opened(store, digest)
      const before = reads(digest)
      for (const start of [0, MIB, 3 * MIB]) {
        await sleep(5)
        const part = blob.read({ start, end: start + 9 }, undefined, true)
        expect(Buffer.concat(await part.toArray())).to.deep.equal(large.subarray(start, start + 10))
      }
      await blob.close()
      expect(reads(digest) - before).to.equal(5 + 3)
    })

    it('that is damaged gives no part out, not even a sound one', async () => {
      const store = await holding(large)
      await flip(blobFile(root, digest), -1)
      const received: Buffer[] = []
      const reading = (async () => {
        const blob = await opened(store, digest)
        for await (const chunk of blob.read({ start: 0, end: 9 })) received.push(chunk)
      })()
      expect(await refusal(reading)).to.equal('BLOB_UNKNOWN')
      expect(received).to.deep.equal([])
      expect(await store.stat(digest)).to.equal(undefined)
    })

    it('whose reader leaves is not known', async () => {
      const store = await holding(large)
      for await (const _ of (await opened(store, digest)).read()) break
      faulty.calls.length = 0
      expect(await buffer((await opened(store, digest)).read({ start: 0, end: 9 }))).to.have.length(10)
      expect(reads(digest)).to.equal(5 + 1)
    })
  })

  describe('putting aside', () => {
    const digest = digestOf(small)

    for (const code of ['ENOSPC', 'EROFS'] as const) {
      it(`that fails (${code}) -> the blob is not given out all the same, and healed by a push`, async () => {
        const store = await holding(small)
        await flip(blobFile(root, digest), 0)
        faulty.fail('rename', code)
        expect(await store.open(digest)).to.equal(undefined)
        expect(await store.stat(digest)).to.equal(undefined)
        expect(reports[0]).to.include({ quarantined: undefined, count: 1 })
        expect(reports[0]?.failure).to.have.property('code', code)
        expect(await quarantined(root)).to.deep.equal([])
        faulty.heal()
        await push(store, small)
        expect(await content(store, digest)).to.deep.equal(small)
      })
    }

    it('is no write that a failed disk takes', async () => {
      const store = await holding(small)
      faulty.fail('datasync', 'EIO')
      expect(await refusal(push(store, large))).to.equal('READ_ONLY')
      faulty.heal()
      await flip(blobFile(root, digest), 0)
      faulty.calls.length = 0
      expect(await store.open(digest)).to.equal(undefined)
      expect(faulty.calls.filter(call => call.startsWith('rename'))).to.deep.equal([])
      expect(reports[0]?.failure).to.have.property('error', 'READ_ONLY')
    })

    for (const moment of ['before', 'behind'] as const) {
      it(`leaves the right file alone that was pushed ${moment} the last look`, async () => {
        const other = await FsBlobStore.open(root)
        await push(other, small)
        await flip(blobFile(root, digest), 0)
        let pushed = false
        const pushOnce = async () => {
          if (pushed) return
          pushed = true
          await push(other, small)
        }
        const fs = {
          ...fileSystem,
          stat: async (path: string) => {
            if (moment === 'before' && path === blobFile(root, digest)) await pushOnce()
            return fileSystem.stat(path)
          },
          rename: async (from: string, to: string) => {
            if (moment === 'behind') await pushOnce()
            return fileSystem.rename(from, to)
          },
        }
        const store = await open({ fs })
        expect(await store.open(digest)).to.equal(undefined)
        expect(pushed).to.equal(true)
        expect(reports).to.have.length(1)
        expect(reports[0]).to.include({ quarantined: undefined, failure: undefined })
        expect(await content(store, digest)).to.deep.equal(small)
      })
    }

    it('of what another process has put aside already is fine', async () => {
      const [one, two] = [await holding(small), await open()]
      await flip(blobFile(root, digest), 0)
      expect(await Promise.all([one.open(digest), two.open(digest)])).to.deep.equal([undefined, undefined])
      expect(await quarantined(root)).to.have.length(1)
      await push(one, small)
      expect(await content(two, digest)).to.deep.equal(small)
    })
  })

  it('a file that cannot be read is an error and stays where it is', async () => {
    const digest = digestOf(small)
    const store = await holding(small)
    faulty.fail('read blobs', 'EIO')
    expect(await refusal(store.open(digest))).to.match(/^EIO/)
    expect(await refusal(store.verify(digest))).to.match(/^EIO/)
    faulty.heal()
    expect(await content(store, digest)).to.deep.equal(small)
    expect(reports).to.deep.equal([])
  })

  it('leaves no file open', async () => {
    const store = await holding(small, large)
    const before = await openFiles()
    for (const bytes of [small, large]) {
      await flip(blobFile(root, digestOf(bytes)), -1)
      await store.verify(digestOf(bytes))
      await store.open(digestOf(bytes))
      await push(store, bytes)
      await flip(blobFile(root, digestOf(bytes)), -1)
      const blob = await store.open(digestOf(bytes))
      if (blob) await refusal(buffer(blob.read({ start: 0, end: 9 })))
    }
    expect(await openFiles()).to.equal(before)
  })
})

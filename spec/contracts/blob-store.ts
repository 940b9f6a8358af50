import { randomBytes } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { expect } from 'chai'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import type { BlobStore } from '../../src/store/contract.ts'
import { begin, body, content, MAX, opened, push } from '../support/blobs.ts'
import { refusal } from '../support/refusal.ts'
import { uploadContract } from './upload.ts'

export interface BlobStoreFixture {
  readonly store: BlobStore
  /** The same content as after a restart of the process. */
  reopen(): Promise<BlobStore>
}

/** What every blob store keeps to; the factory gives an empty one for each test. */
export function blobStoreContract(name: string, fixture: () => Promise<BlobStoreFixture>): void {
  describe(`${name} as a blob store`, () => {
    let store: BlobStore
    let reopen: BlobStoreFixture['reopen']

    beforeEach(async () => {
      const made = await fixture()
      store = made.store
      reopen = () => made.reopen()
    })

    describe('blobs', () => {
      it('come back as they went in', async () => {
        const bytes = randomBytes(3_000_001)
        const digest = digestOf(bytes)
        // File systems keep times to the tick of the kernel, or to the second.
        const before = Date.now() - 1000
        const info = await push(store, bytes)
        expect(info).to.include({ digest, size: bytes.length })
        expect(info.modified.getTime()).to.be.within(before, Date.now() + 1000)
        expect(await store.stat(digest)).to.deep.equal(info)
        expect(await content(store, digest)).to.deep.equal(bytes)
      })

      it('may be empty', async () => {
        const digest = digestOf('')
        expect(await push(store, Buffer.alloc(0))).to.include({ digest, size: 0 })
        expect(await content(store, digest)).to.deep.equal(Buffer.alloc(0))
      })

      it('are absent until they are committed', async () => {
        const digest = digestOf('abc')
        const upload = await begin(store)
        await upload.append(body('abc'), { max: MAX })
        expect(await store.stat(digest)).to.equal(undefined)
        expect(await store.open(digest)).to.equal(undefined)
        expect(await store.remove(digest)).to.equal(false)
      })

      it('are found by the algorithm they were pushed with, and no other', async () => {
        await push(store, Buffer.from('abc'), 'sha512')
        expect(await store.stat(digestOf('abc', 'sha512'))).to.include({ size: 3 })
        expect(await store.stat(digestOf('abc', 'sha256'))).to.equal(undefined)
      })

      it('survive a restart', async () => {
        const info = await push(store, Buffer.from('abc'))
        expect(await (await reopen()).stat(info.digest)).to.deep.equal(info)
      })

      it('can be pushed twice', async () => {
        const first = await push(store, Buffer.from('abc'))
        const second = await push(store, Buffer.from('abc'))
        expect(second).to.include({ digest: first.digest, size: 3 })
        expect(second.modified.getTime()).to.be.at.least(first.modified.getTime())
        expect(await all(store.list())).to.have.length(1)
      })

      it('can be pushed by many at once', async () => {
        const bytes = randomBytes(100_000)
        await Promise.all(Array.from({ length: 8 }, () => push(store, bytes)))
        expect(await content(store, digestOf(bytes))).to.deep.equal(bytes)
      })

      it('go when removed, and can come again', async () => {
        const { digest } = await push(store, Buffer.from('abc'))
        expect(await store.remove(digest)).to.equal(true)
        expect(await store.stat(digest)).to.equal(undefined)
        expect(await store.remove(digest)).to.equal(false)
        await push(store, Buffer.from('abc'))
        expect((await content(store, digest)).toString()).to.equal('abc')
      })

      it('are listed in the order of their digests', async () => {
        const pushed: Digest[] = []
        for (const algorithm of ['sha512', 'sha256'] as const) {
          for (let i = 0; i < 12; i++) pushed.push((await push(store, Buffer.from(`${i}`), algorithm)).digest)
        }
        const listed = await all(store.list())
        expect(listed.map(each => each.digest)).to.deep.equal(pushed.sort())
        expect(listed[0]).to.deep.equal(await store.stat(listed[0]?.digest as Digest))
      })
    })

    it('blobs are listed from behind one of them, which need not be there', async () => {
      for (const algorithm of ['sha256', 'sha512'] as const) {
        for (let i = 0; i < 6; i++) await push(store, Buffer.from(`${i}`), algorithm)
      }
      const digests = (await all(store.list())).map(({ digest }) => digest)
      for (const [i, digest] of digests.entries()) {
        const rest = (await all(store.list(digest))).map(info => info.digest)
        expect(rest).to.deep.equal(digests.slice(i + 1))
      }
      const removed = digests[4] as Digest
      await store.remove(removed)
      expect((await all(store.list(removed))).map(({ digest }) => digest)).to.deep.equal(digests.slice(5))
    })

    describe('verifying', () => {
      it('reads all of a blob, and says so on the way', async () => {
        const { digest } = await push(store, randomBytes(2_500_000))
        let told = 0
        const pace = async (bytes: number) => {
          told += bytes
        }
        expect(await store.verify(digest, pace)).to.equal(true)
        expect(told).to.equal(2_500_000)
        expect(await store.verify(digest)).to.equal(true)
      })

      it('of nothing has no outcome', async () => {
        expect(await store.verify(digestOf('abc'))).to.equal(undefined)
      })

      it('ends where it is told to', async () => {
        const { digest } = await push(store, randomBytes(2_500_000))
        const stop = async () => {
          throw new Error('enough')
        }
        expect(await refusal(store.verify(digest, stop))).to.equal('enough')
        expect(await store.stat(digest)).to.include({ size: 2_500_000 })
      })
    })

    it('takes content', () => store.admit())

    describe('reading', () => {
      const bytes = randomBytes(2_500_000)
      const digest = digestOf(bytes)

      beforeEach(() => push(store, bytes))

      for (const [start, end] of [
        [0, 0],
        [0, 2_499_999],
        [1_000_000, 2_200_000],
        [2_499_999, 2_499_999],
      ] as const) {
        it(`gives bytes ${start} to ${end}`, async () => {
          const blob = await opened(store, digest)
          expect(blob.size).to.equal(bytes.length)
          expect(await buffer(blob.read({ start, end }))).to.deep.equal(bytes.subarray(start, end + 1))
        })
      }

      it('goes on when the blob is removed meanwhile', async () => {
        const blob = await opened(store, digest)
        await store.remove(digest)
        expect(await buffer(blob.read())).to.deep.equal(bytes)
      })

      it('may stop at any byte, or not start', async () => {
        const left = await opened(store, digest)
        for await (const _ of left.read()) break
        await left.close()
        const unread = await opened(store, digest)
        await unread.close()
        await unread.close()
      })
    })

    uploadContract(() => ({ store, reopen }))

    it('is well', () => store.check())
  })
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

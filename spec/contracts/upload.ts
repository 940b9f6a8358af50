import { randomBytes } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { expect } from 'chai'
import { digestOf } from '../../src/oci/digest.ts'
import type { BlobStore, Upload } from '../../src/store/contract.ts'
import { begin, body, content, MAX } from '../support/blobs.ts'
import { refusal } from '../support/refusal.ts'
import { until } from '../support/until.ts'
import type { BlobStoreFixture } from './blob-store.ts'

/** What the uploads of every blob store keep to; `current` gives the store of the test that runs. */
export function uploadContract(current: () => BlobStoreFixture): void {
  describe('an upload', () => {
    let store: BlobStore
    let reopen: BlobStoreFixture['reopen']

    beforeEach(() => {
      const { store: of, reopen: again } = current()
      store = of
      reopen = again
    })

    it('takes its bytes in several appends, each where the last ended', async () => {
      const upload = await begin(store)
      await upload.append(body('ab'), { at: 0, max: MAX })
      await upload.append(body('c', '', 'd'), { at: 2, max: MAX })
      await upload.append(body(), { at: 4, max: MAX })
      await upload.append(body('e'), { max: MAX })
      expect(upload.size).to.equal(5)
      expect(await upload.digest()).to.equal(digestOf('abcde'))
      expect((await buffer(upload.read())).toString()).to.equal('abcde')
      await upload.commit(digestOf('abcde'))
    })

    it('takes very many small chunks', async () => {
      const upload = await begin(store)
      const small = Array.from({ length: 5000 }, (_, i) => `${i},`)
      await upload.append(body(...small), { max: MAX })
      await upload.commit(digestOf(small.join('')))
    })

    it('refuses an append that begins elsewhere, and takes nothing of it', async () => {
      const upload = await begin(store)
      await upload.append(body('abc'), { max: MAX })
      for (const at of [0, 2, 4]) {
        const untouched = body('xyz')
        expect(await refusal(upload.append(untouched, { at, max: MAX }))).to.equal('BLOB_UPLOAD_OUT_OF_ORDER')
        expect((await untouched.next()).done).to.equal(false)
      }
      expect(upload.size).to.equal(3)
      await upload.commit(digestOf('abc'))
    })

    it('resumes after a restart', async () => {
      const upload = await begin(store, 'sha512')
      await upload.append(body('abc'), { max: MAX })
      const resumed = await (await reopen()).resume(upload.id)
      expect(resumed?.size).to.equal(3)
      await resumed?.append(body('def'), { at: 3, max: MAX })
      expect(await resumed?.digest('sha512')).to.equal(digestOf('abcdef', 'sha512'))
      expect(await resumed?.commit(digestOf('abcdef'))).to.include({ size: 6 })
    })

    it('resumes while empty, too', async () => {
      const { id } = await begin(store)
      expect(await (await reopen()).resume(id)).to.include({ id, size: 0 })
    })

    it('continues where another process has added to it', async () => {
      const here = await begin(store)
      await here.append(body('abc'), { max: MAX })
      const there = await (await reopen()).resume(here.id)
      await there?.append(body('def'), { at: 3, max: MAX })
      const again = await store.resume(here.id)
      expect(again?.size).to.equal(6)
      await again?.append(body('ghi'), { at: 6, max: MAX })
      await again?.commit(digestOf('abcdefghi'))
    })

    it('lets one of two writers win', async () => {
      const upload = await begin(store)
      const slow = gate('slow')
      const winner = upload.append(slow.body, { at: 0, max: MAX })
      const other = await store.resume(upload.id)
      expect(await refusal(other?.append(body('x'), { at: 0, max: MAX }) as Promise<void>)).to.equal(
        'BLOB_UPLOAD_OUT_OF_ORDER',
      )
      expect(await refusal(upload.append(body('x'), { max: MAX }))).to.equal('BLOB_UPLOAD_OUT_OF_ORDER')
      expect(await refusal(upload.commit(digestOf('')))).to.equal('BLOB_UPLOAD_OUT_OF_ORDER')
      slow.open()
      await winner
      await upload.commit(digestOf('slow'))
    })

    it('lets one of two writers win that both come after a restart', async () => {
      const { id } = await begin(store)
      const restarted = await reopen()
      const answers = await Promise.all(
        ['one', 'two'].map(async text => {
          const upload = (await restarted.resume(id)) as Upload
          return refusal(upload.append(body(text), { at: 0, max: MAX }))
        }),
      )
      expect(answers.filter(answer => answer === 'BLOB_UPLOAD_OUT_OF_ORDER')).to.have.length(1)
      expect((await restarted.resume(id))?.size).to.equal(3)
    })

    it('keeps nothing of a body that goes past the maximum', async () => {
      const upload = await begin(store)
      await upload.append(body('abc'), { max: 10 })
      const long = body('defg', Buffer.alloc(3_000_000), 'h')
      expect(await refusal(upload.append(long, { max: 2_000_000 }))).to.equal('BLOB_TOO_LARGE')
      expect(upload.size).to.equal(3)
      await upload.append(body('defghij'), { at: 3, max: 10 })
      await upload.commit(digestOf('abcdefghij'))
    })

    it('takes exactly the maximum', async () => {
      const upload = await begin(store)
      await upload.append(body('abcd', ''), { max: 4 })
      expect(await refusal(upload.append(body('e'), { max: 4 }))).to.equal('BLOB_TOO_LARGE')
      expect(upload.size).to.equal(4)
    })

    it('keeps what came in before the body broke off', async () => {
      const upload = await begin(store)
      const first = randomBytes(1_500_000)
      const broken = async function* () {
        yield first.subarray(0, 1_400_000)
        yield first.subarray(1_400_000)
        throw new Error('connection lost')
      }
      expect(await refusal(upload.append(broken(), { max: MAX }))).to.equal('connection lost')
      expect(upload.size).to.equal(first.length)
      await upload.append(body('rest'), { at: first.length, max: MAX })
      await upload.commit(digestOf(Buffer.concat([first, Buffer.from('rest')])))
    })

    it('does not read ahead of what it has written', async () => {
      const upload = await begin(store)
      let asked = 0
      const endless = async function* () {
        for (;;) {
          asked++
          yield Buffer.alloc(1024 * 1024)
        }
      }
      await refusal(upload.append(endless(), { max: 8 * 1024 * 1024 }))
      expect(asked).to.equal(9)
    })

    it('tells how much is staged, also while the body pauses', async () => {
      const upload = await begin(store)
      const told: number[] = []
      const paused = async function* () {
        yield Buffer.from('abc')
        await until(() => told.length > 0)
        yield Buffer.from('de')
      }
      await upload.append(paused(), { max: MAX, onStaged: size => told.push(size) })
      expect(told).to.deep.equal([3, 5])
    })

    it('is read along while it comes, through its commit', async () => {
      const upload = await begin(store)
      await upload.append(body('abc'), { max: MAX })
      const asked: [number, number][] = []
      let more = (_: number) => {}
      const arrived = (position: number, end: number) => {
        asked.push([position, end])
        if (position < 3) return Promise.resolve(Math.min(3, end))
        return new Promise<number>(resolve => {
          more = () => resolve(end)
        })
      }
      const follow = async () => {
        const handle = await upload.follow(6, arrived)
        if (!handle) throw new Error('nothing is staged')
        return handle
      }
      const [first, second] = [await follow(), await follow()]
      const whole = buffer(first.read())
      await upload.append(body('def'), { max: MAX })
      await upload.commit(digestOf('abcdef'))
      await new Promise(resolve => setTimeout(resolve, 20))
      more(6)
      expect(String(await whole)).to.equal('abcdef')
      expect(String(await buffer(second.read({ start: 1, end: 2 })))).to.equal('bc')
      expect(asked).to.deep.equal([
        [0, 6],
        [3, 6],
        [1, 3],
      ])
      expect(await upload.follow(6, arrived)).to.equal(undefined)
    })

    it('read along -> ends with the error of who waits', async () => {
      const upload = await begin(store)
      const handle = await upload.follow(6, () => Promise.reject(new Error('given up')))
      const stream = handle?.read()
      expect(await refusal(stream ? buffer(stream) : Promise.reject(new Error('nothing')))).to.equal(
        'given up',
      )
      // Who has opened it and does not read closes it.
      await (await upload.follow(6, async () => 6))?.close()
    })

    it('is still there when the digest is wrong', async () => {
      const upload = await begin(store)
      await upload.append(body('abc'), { max: MAX })
      expect(await refusal(upload.commit(digestOf('abd')))).to.equal('DIGEST_INVALID')
      expect(await store.stat(digestOf('abc'))).to.equal(undefined)
      expect(await store.stat(digestOf('abd'))).to.equal(undefined)
      const resumed = await store.resume(upload.id)
      await resumed?.append(body('d'), { at: 3, max: MAX })
      await resumed?.commit(digestOf('abcd'))
    })

    it('is gone after commit and after abort', async () => {
      const committed = await begin(store)
      await committed.commit(digestOf(''))
      const aborted = await begin(store)
      await aborted.append(body('abc'), { max: MAX })
      await aborted.abort()
      await aborted.abort()
      for (const gone of [committed, aborted]) {
        expect(await store.resume(gone.id)).to.equal(undefined)
        expect(await refusal(gone.append(body('x'), { max: MAX }))).to.equal('BLOB_UPLOAD_UNKNOWN')
        expect(await refusal(gone.commit(digestOf('')))).to.equal('BLOB_UPLOAD_UNKNOWN')
      }
    })

    it('is gone after commit and after abort for who holds it, too', async () => {
      for (const end of ['commit', 'abort'] as const) {
        const upload = await begin(store)
        await upload.hold(async () => {
          await upload.append(body('abc'), { max: MAX })
          await (end === 'commit' ? upload.commit(digestOf('abc')) : upload.abort())
          expect(await refusal(upload.append(body('x'), { max: MAX }))).to.equal('BLOB_UPLOAD_UNKNOWN')
          expect(await refusal(upload.commit(digestOf('')))).to.equal('BLOB_UPLOAD_UNKNOWN')
        })
      }
      expect(await content(store, digestOf('abc'))).to.deep.equal(Buffer.from('abc'))
    })

    it('that is aborted while somebody writes to it is gone at commit', async () => {
      const upload = await begin(store)
      const slow = gate('slow')
      const failure = refusal(
        upload.hold(async () => {
          await upload.append(slow.body, { max: MAX })
          await upload.commit(digestOf('slow'))
        }),
      )
      await upload.abort()
      slow.open()
      expect(await failure).to.equal('BLOB_UPLOAD_UNKNOWN')
      expect(await store.stat(digestOf('slow'))).to.equal(undefined)
    })

    it('holds what several work on, in whatever order they end', async () => {
      const upload = await begin(store)
      const [first, second] = [gate('first'), gate('')]
      const one = upload.hold(async () => {
        await upload.append(first.body, { max: MAX })
      })
      const other = upload.hold(async () => {
        for await (const _ of second.body);
        await upload.commit(digestOf('first'))
      })
      first.open()
      await one
      second.open()
      await other
      expect(await content(store, digestOf('first'))).to.deep.equal(Buffer.from('first'))
    })

    it('of one work is published in it, by whichever algorithm', async () => {
      for (const algorithm of ['sha256', 'sha512'] as const) {
        const digest = digestOf('one work', algorithm)
        const size = await store.stage('one-work', algorithm, async upload => {
          await upload.append(body('one ', 'work'), { max: MAX })
          expect(await upload.digest()).to.equal(digest)
          return (await upload.commit(digest)).size
        })
        expect(size).to.equal(8)
        expect(await content(store, digest)).to.deep.equal(Buffer.from('one work'))
      }
    })

    it('of one work is given up where that fails, and told is why', async () => {
      const work = store.stage('fails', 'sha256', async upload => {
        await upload.append(body('abc'), { max: MAX })
        throw new Error('it failed')
      })
      expect(await refusal(work)).to.equal('it failed')
      expect(await store.resume('fails')).to.equal(undefined)
    })

    it('of one work leaves another one of that id alone', async () => {
      const other = await begin(store)
      await other.append(body('abc'), { max: MAX })
      let begun = false
      const work = store.stage(other.id, 'sha256', async () => {
        begun = true
      })
      expect(await refusal(work)).not.to.equal('nothing: it went well')
      expect(begun).to.equal(false)
      expect((await store.resume(other.id))?.size).to.equal(3)
      await other.commit(digestOf('abc'))
    })

    it('becomes young with its commit', async () => {
      const upload = await begin(store)
      await upload.append(body('abc'), { max: MAX })
      const before = Date.now()
      await new Promise(resolve => setTimeout(resolve, 1100))
      const { modified } = await upload.commit(digestOf('abc'))
      expect(modified.getTime()).to.be.at.least(before + 1000)
    })

    it('does not expire while a request holds it, though no call is under way', async () => {
      const upload = await store.begin('held')
      await upload.hold(async () => {
        await upload.append(body('abc'), { max: MAX })
        expect(await store.expireUploads(new Date(Date.now() + 60_000))).to.equal(0)
      })
      expect(await store.expireUploads(new Date(Date.now() + 60_000))).to.equal(1)
    })

    it('expires when nothing was written since', async () => {
      const old = await begin(store)
      const inUse = await begin(store)
      const slow = gate('slow')
      const writing = inUse.append(slow.body, { max: MAX })
      expect(await store.expireUploads(new Date(Date.now() - 60_000))).to.equal(0)
      expect(await store.expireUploads(new Date(Date.now() + 60_000))).to.equal(1)
      expect(await store.resume(old.id)).to.equal(undefined)
      slow.open()
      await writing
      await inUse.commit(digestOf('slow'))
    })

    for (const id of ['', '.', '..', '../x', 'a/b', 'a\\b', 'A', 'a_b', 'a\0', 'a\n', 'ä', 'a'.repeat(129)]) {
      it(`has no such id as ${JSON.stringify(id.slice(0, 20))}`, async () => {
        expect(await store.resume(id)).to.equal(undefined)
        expect(await refusal(store.begin(id))).to.equal('BLOB_UPLOAD_INVALID')
      })
    }

    it('has an id of its own', async () => {
      const { id } = await begin(store)
      expect(await refusal(store.begin(id))).not.to.equal('nothing: it went well')
      expect(await store.resume('never-begun')).to.equal(undefined)
      expect(await refusal(store.begin('a'.repeat(128)))).to.equal('nothing: it went well')
    })
  })
}

/** A body that does not come before it is let through. */
function gate(text: string): { body: AsyncIterable<Uint8Array>; open(): void } {
  let open = () => {}
  const opened = new Promise<void>(resolve => {
    open = resolve
  })
  const wait = async function* () {
    await opened
    yield Buffer.from(text)
  }
  return { body: wait(), open: () => open() }
}

import { buffer } from 'node:stream/consumers'
import { expect } from 'chai'
import { digestOf } from '../../src/oci/digest.ts'
import { refusal } from '../support/refusal.ts'
import { type CoreRegistry, once, openBlob, registries, repo } from '../support/registry.ts'

const A = repo('a')
const B = repo('b')
const digest = digestOf('abcdef')
const body = (text: string, at?: number) => ({ body: once(text), at })

describe('core/uploads', () => {
  const open = registries()
  let registry: CoreRegistry

  beforeEach(async () => {
    registry = await open()
  })

  const content = async () => (await buffer((await openBlob(registry, A, digest)).read())).toString()

  it('take a blob in one request', async () => {
    await registry.uploads.whole(A, once('abcdef'), digest)
    expect(await content()).to.equal('abcdef')
  })

  it('take a blob in chunks, and say how far they are', async () => {
    const { uploads } = registry
    const session = await uploads.begin(A)
    expect(await uploads.size(A, session)).to.equal(0)
    expect(await uploads.append(A, session, body('ab', 0))).to.equal(2)
    expect(await uploads.append(A, session, body('cd'))).to.equal(4)
    expect(await uploads.size(A, session)).to.equal(4)
    await uploads.finish(A, session, body('ef', 4), digest)
    expect(await content()).to.equal('abcdef')
  })

  it('may end without a last chunk', async () => {
    const { uploads } = registry
    const session = await uploads.begin(A)
    await uploads.append(A, session, body('abcdef'))
    await uploads.finish(A, session, body(''), digest)
    expect(await content()).to.equal('abcdef')
  })

  it('take a sha512, hashed on the way or afterwards', async () => {
    const { uploads, blobs } = registry
    const by512 = digestOf('abcdef', 'sha512')
    for (const algorithm of ['sha512', undefined] as const) {
      const session = await uploads.begin(A, algorithm)
      await uploads.finish(A, session, body('abcdef'), by512)
      expect(await blobs.stat(A, by512)).to.equal(6)
      await blobs.delete(A, by512)
    }
  })

  it('show nothing before they are finished', async () => {
    const session = await registry.uploads.begin(A)
    await registry.uploads.append(A, session, body('abcdef'))
    expect(await refusal(registry.blobs.stat(A, digest))).to.equal('BLOB_UNKNOWN')
  })

  it('refuse a chunk that is not the next, and go on', async () => {
    const { uploads } = registry
    const session = await uploads.begin(A)
    await uploads.append(A, session, body('ab'))
    for (const at of [0, 1, 3]) {
      expect(await refusal(uploads.append(A, session, body('x', at)))).to.equal('BLOB_UPLOAD_OUT_OF_ORDER')
      expect(await refusal(uploads.finish(A, session, body('x', at), digest))).to.equal(
        'BLOB_UPLOAD_OUT_OF_ORDER',
      )
    }
    await uploads.finish(A, session, body('cdef', 2), digest)
  })

  it('of two writers at once let one win', async () => {
    const { uploads } = registry
    const session = await uploads.begin(A)
    const outcomes = await Promise.all([1, 2].map(() => refusal(uploads.append(A, session, body('abc', 0)))))
    expect(outcomes.sort()).to.deep.equal(['BLOB_UPLOAD_OUT_OF_ORDER', 'nothing: it went well'])
    expect(await uploads.size(A, session)).to.equal(3)
  })

  it('refuse another digest, and go on', async () => {
    const { uploads } = registry
    const session = await uploads.begin(A)
    expect(await refusal(uploads.finish(A, session, body('abc'), digest))).to.equal('DIGEST_INVALID')
    expect(await refusal(registry.blobs.stat(A, digest))).to.equal('BLOB_UNKNOWN')
    await uploads.finish(A, session, body('def', 3), digest)
    expect(await content()).to.equal('abcdef')
  })

  for (const [what, id] of Object.entries({
    'that never was': '00000000-0000-4000-8000-000000000000',
    'that is no id': 'x',
    'that is a path': '../../blobs/sha256/ab/cd',
    'of thousands of characters': 'a'.repeat(5000),
    'that is empty': '',
    'with a line end': '00000000-0000-4000-8000-000000000000\n',
  })) {
    it(`do not know a session ${what}`, async () => {
      const { uploads } = registry
      for (const work of [
        uploads.size(A, id),
        uploads.append(A, id, body('x')),
        uploads.finish(A, id, body('x'), digest),
        uploads.cancel(A, id),
      ]) {
        expect(await refusal(work)).to.equal('BLOB_UPLOAD_UNKNOWN')
      }
    })
  }

  it('belong to their repository', async () => {
    const { uploads } = registry
    const session = await uploads.begin(A)
    for (const work of [
      uploads.size(B, session),
      uploads.append(B, session, body('x')),
      uploads.finish(B, session, body('x'), digest),
      uploads.cancel(B, session),
    ]) {
      expect(await refusal(work)).to.equal('BLOB_UPLOAD_UNKNOWN')
    }
    expect(await uploads.size(A, session)).to.equal(0)
  })

  it('are unknown when they were finished, cancelled or have expired', async () => {
    const { uploads, store } = registry
    const [finished, cancelled, expired] = await Promise.all([1, 2, 3].map(() => uploads.begin(A)))
    await uploads.finish(A, finished as string, body('abcdef'), digest)
    await uploads.cancel(A, cancelled as string)
    await store.expireUploads(new Date(Date.now() + 60_000))
    for (const session of [finished, cancelled, expired] as string[]) {
      expect(await refusal(uploads.size(A, session))).to.equal('BLOB_UPLOAD_UNKNOWN')
    }
  })

  it('survive a restart', async () => {
    const session = await registry.uploads.begin(A)
    await registry.uploads.append(A, session, body('abc'))
    const restarted = await open()
    expect(await restarted.uploads.size(A, session)).to.equal(3)
    await restarted.uploads.finish(A, session, body('def', 3), digest)
  })

  describe('past the limit', () => {
    beforeEach(async () => {
      registry = await open({ ownStore: true, policy: { maxBlobSize: 6 } })
    })

    it('refuse the chunk, and take a shorter one', async () => {
      const { uploads } = registry
      const session = await uploads.begin(A)
      await uploads.append(A, session, body('abc'))
      expect(await refusal(uploads.append(A, session, body('defg')))).to.equal('BLOB_TOO_LARGE')
      expect(await uploads.size(A, session)).to.equal(3)
      await uploads.finish(A, session, body('def'), digest)
    })

    it('refuse the whole, and leave nothing behind', async () => {
      expect(await refusal(registry.uploads.whole(A, once('abcdefg'), digest))).to.equal('BLOB_TOO_LARGE')
      expect(await registry.store.expireUploads(new Date(Date.now() + 60_000))).to.equal(0)
    })
  })

  describe('in one request', () => {
    beforeEach(async () => {
      registry = await open({ ownStore: true })
    })

    const nothingLeft = async () => {
      expect(await registry.stored()).to.deep.equal([])
      expect(await registry.store.expireUploads(new Date(Date.now() + 60_000))).to.equal(0)
    }

    it('leave nothing behind where the digest is another', async () => {
      expect(await refusal(registry.uploads.whole(A, once('abc'), digest))).to.equal('DIGEST_INVALID')
      await nothingLeft()
    })

    it('leave nothing behind where the body breaks off', async () => {
      async function* broken() {
        yield Buffer.from('abc')
        throw new Error('connection lost')
      }
      expect(await refusal(registry.uploads.whole(A, broken(), digest))).to.equal('connection lost')
      await nothingLeft()
    })

    it('say what went wrong where the index fails in the end', async () => {
      registry.level.fail(new Error('IO error: No space left on device'))
      expect(await refusal(registry.uploads.whole(A, once('abcdef'), digest))).to.equal('STORAGE_FULL')
    })
  })

  it('of one blob by many at once all end well', async () => {
    await Promise.all(Array.from({ length: 8 }, () => registry.uploads.whole(A, once('abcdef'), digest)))
    expect(await content()).to.equal('abcdef')
  })
})

import { expect } from 'chai'
import { type Fs, fileSystem } from '../../src/lib/file-system.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { BLOCK } from '../../src/store/direct-writer.ts'
import { FreeSpace } from '../../src/store/free-space.ts'
import { FsBlobStore } from '../../src/store/fs-store.ts'
import { body, content, push } from '../support/blobs.ts'
import { refusal } from '../support/refusal.ts'
import { storages } from '../support/storage.ts'

describe('store/free-space', () => {
  const fresh = storages()
  const max = 100_000_000
  let free: number
  let looks: number
  let store: FsBlobStore

  const fs = {
    ...fileSystem,
    statfs: async () => {
      looks++
      if (free < 0) throw Object.assign(new Error('ENOSYS'), { code: 'ENOSYS' })
      return { bavail: free / 4096, bsize: 4096 }
    },
  }

  const aWhile = () => new Promise(resolve => setTimeout(resolve, 50))

  beforeEach(async () => {
    free = 8192
    looks = 0
    store = await FsBlobStore.open(await fresh(), { fs, minFreeSpace: 8192 })
  })

  it('enough -> content is taken', async () => {
    await push(store, Buffer.from('abc'))
  })

  it('the file system is asked once for as long as its answer is fresh', async () => {
    let now = 0
    const space = new FreeSpace(fs as unknown as Fs, '', 8192, () => now)
    for (const moment of [0, 19, 20, 39, 40]) {
      now = moment
      await Promise.all(Array.from({ length: 10 }, () => space.assert()))
    }
    expect(looks).to.equal(3)
  })

  it('less than shall stay free -> no new upload, no more bytes; reads, deletes and what is staged go on', async () => {
    await push(store, Buffer.from('before'))
    const complete = await store.begin('complete')
    await complete.append(body('all of it'), { max })
    const half = await store.begin('half')
    await half.append(body('half'), { max })

    free = 8191
    await aWhile()
    expect(await refusal(store.begin('new'))).to.equal('STORAGE_FULL')
    expect(await refusal(store.admit())).to.equal('STORAGE_FULL')
    expect(await refusal(half.append(body('more'), { max }))).to.equal('STORAGE_FULL')
    expect(half.size).to.equal(4)
    expect(await refusal(store.check())).to.equal('STORAGE_FULL')
    await store.checkReads()
    expect((await content(store, digestOf('before'))).toString()).to.equal('before')
    await complete.commit(digestOf('all of it'))
    expect(await store.remove(digestOf('before'))).to.equal(true)

    free = 8192
    await aWhile()
    await half.append(body('more'), { at: 4, max })
    await half.commit(digestOf('halfmore'))
  })

  it('that gets less while an upload goes on -> the upload stops there and can go on later', async () => {
    const upload = await store.begin('long')
    const part = Buffer.alloc(BLOCK, 'x')
    const long = async function* () {
      yield part
      free = 0
      await aWhile()
      yield part
    }
    expect(await refusal(upload.append(long(), { max }))).to.equal('STORAGE_FULL')
    expect(upload.size).to.equal(BLOCK)
    free = 8192
    await aWhile()
    await upload.append(body(part), { at: BLOCK, max })
    await upload.commit(digestOf(Buffer.concat([part, part])))
  })

  it('that the file system cannot tell -> is enough', async () => {
    free = -1
    await push(store, Buffer.from('abc'))
    expect(looks).to.be.at.least(1)
  })

  it('is not asked for where none shall stay free', async () => {
    free = 0
    await push(await FsBlobStore.open(await fresh(), { fs }), Buffer.from('abc'))
    expect(looks).to.equal(0)
  })
})

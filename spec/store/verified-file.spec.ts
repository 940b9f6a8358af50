import { appendFile, readFile, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { expect } from 'chai'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import { FsBlobStore } from '../../src/store/fs-store.ts'
import { opened, push } from '../support/blobs.ts'
import { FaultyFs } from '../support/faults.ts'
import { refusal } from '../support/refusal.ts'
import { storages } from '../support/storage.ts'

const LARGE = Buffer.alloc(5 * 1024 * 1024, 'large')
const SMALL = Buffer.alloc(1000, 'small')
const digest = digestOf(LARGE)

describe('store/verified-file', () => {
  const fresh = storages()
  let root: string
  let verified: string
  let blob: string

  beforeEach(async () => {
    root = await fresh()
    verified = join(root, 'verified')
    blob = join(root, 'blobs/sha256', hexOf(digest).slice(0, 2), hexOf(digest))
    const store = await FsBlobStore.open(root)
    await push(store, LARGE)
    await push(store, SMALL)
    await store.remember()
  })

  /** How often a process that starts now reads the file for one byte of the large blob. */
  async function reads(verifyEvery = 3_600_000): Promise<number> {
    const watched = new FaultyFs(root)
    const store = await FsBlobStore.open(root, { fs: watched.fs, verifyEvery })
    watched.calls.length = 0
    const range = { start: 4, end: 4 }
    expect(await buffer((await opened(store, digest)).read(range))).to.deep.equal(Buffer.from('e'))
    return watched.calls.filter(call => call.startsWith('read blobs/')).length
  }

  it('spares a restart the reading of large blobs that were found right', async () => {
    expect(await reads()).to.equal(1)
  })

  it('remembers large blobs only', async () => {
    const text = await readFile(verified, 'utf8')
    expect(text).to.include(digest)
    expect(text).not.to.include(digestOf(SMALL))
  })

  it('remembers what it took over, and writes only if there is something new', async () => {
    const store = await FsBlobStore.open(root)
    await writeFile(verified, '')
    await store.remember()
    expect(await readFile(verified, 'utf8')).to.equal('')
    const other = Buffer.alloc(5 * 1024 * 1024, 'other')
    await push(store, other)
    await store.remember()
    expect(await readFile(verified, 'utf8'))
      .to.include(digest)
      .and.to.include(digestOf(other))
  })

  it('is not believed of a file that was touched since', async () => {
    await utimes(blob, new Date(), new Date())
    expect(await reads()).to.be.above(5)
  })

  it('is not believed of a file that was written to, which is found damaged', async () => {
    await writeFile(blob, Buffer.alloc(LARGE.length, 'wrong'))
    const store = await FsBlobStore.open(root)
    const part = (await opened(store, digest)).read({ start: 0, end: 0 })
    expect(await refusal(buffer(part))).to.equal('BLOB_UNKNOWN')
  })

  it('is not believed when its time is over, or has not come', async () => {
    expect(await reads(0)).to.be.above(5)
    const line = (await readFile(verified, 'utf8')).split('\n')[0] ?? ''
    const [name, at, ...version] = line.split(' ')
    const later = `${name} ${Number(at) + 3_600_000} ${version.join(' ')}\n`
    const { crc32 } = await import('node:zlib')
    await writeFile(verified, `${later}${crc32(later)}\n`)
    expect(await reads()).to.be.above(5)
  })

  for (const [what, damage] of [
    ['is cut', () => truncate(verified, 40)],
    ['is empty', () => truncate(verified, 0)],
    ['has more lines', () => appendFile(verified, `${digest} 1 1 1 1\n`)],
    ['is of something else', () => writeFile(verified, 'x\n'.repeat(100))],
  ] as const) {
    it(`is as none where it ${what}`, async () => {
      await damage()
      expect(await reads()).to.be.above(5)
    })
  }

  it('costs nothing but reading when it cannot be written', async () => {
    const faulty = new FaultyFs(root)
    const store = await FsBlobStore.open(root, { fs: faulty.fs })
    await push(store, Buffer.alloc(5 * 1024 * 1024, 'more'))
    faulty.fail('open verified', 'ENOSPC')
    expect(await refusal(store.remember())).to.match(/ENOSPC/)
    await store.check()
    expect(await reads()).to.equal(1)
  })
})

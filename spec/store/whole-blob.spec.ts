import { randomBytes } from 'node:crypto'
import * as nodeFs from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { expect } from 'chai'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import type { BlobHandle } from '../../src/store/contract.ts'
import { FsBlobStore, type FsStoreOptions } from '../../src/store/fs-store.ts'
import type { Damage } from '../../src/store/inspector.ts'
import { MOST_WHOLE } from '../../src/store/whole-blob.ts'
import { push } from '../support/blobs.ts'
import { FaultyFs } from '../support/faults.ts'
import { refusal } from '../support/refusal.ts'
import { blobFile, flip, quarantined, ROT } from '../support/rot.ts'
import { storages } from '../support/storage.ts'

describe('store/whole-blob', () => {
  const fresh = storages()
  const bytes = randomBytes(2000)
  const digest = digestOf(bytes)
  let root: string
  let reports: Damage[]

  beforeEach(async () => {
    root = await fresh()
    reports = []
  })

  const open = (options: FsStoreOptions = {}) =>
    FsBlobStore.open(root, { onDamage: damage => reports.push(damage), ...options })

  /** A store of the blob after a restart, which so has not verified it. */
  async function holding(content: Uint8Array, options?: FsStoreOptions): Promise<FsBlobStore> {
    await push(await FsBlobStore.open(root), content)
    return open(options)
  }

  async function whole(store: FsBlobStore): Promise<BlobHandle> {
    const blob = await store.open(digest, bytes.length)
    if (!blob?.bytes) throw new Error('not read whole')
    return blob
  }

  it('is in memory when it is opened, and comes as a stream as well', async () => {
    const blob = await whole(await holding(bytes))
    expect(blob.bytes).to.deep.equal(bytes)
    expect(blob.size).to.equal(bytes.length)
    expect(await buffer(blob.read())).to.deep.equal(bytes)
    expect(await buffer(blob.read({ start: 10, end: 19 }))).to.deep.equal(bytes.subarray(10, 20))
    await blob.close()
  })

  it('has no more bytes than the limit', async () => {
    const store = await open()
    for (const [size, inMemory] of [
      [0, true],
      [MOST_WHOLE, true],
      [MOST_WHOLE + 1, false],
    ] as const) {
      const content = randomBytes(size)
      await push(store, content)
      const blob = await store.open(digestOf(content), size)
      expect(blob?.bytes !== undefined, `${size}`).to.equal(inMemory)
      if (blob) expect(await buffer(blob.read())).to.deep.equal(content)
    }
  })

  it('is not read whole by who does not know its size, or another one', async () => {
    const store = await holding(bytes)
    for (const size of [undefined, 0, bytes.length - 1, bytes.length + 1, MOST_WHOLE + 1]) {
      const blob = await store.open(digest, size)
      expect(blob).not.to.have.property('bytes')
      if (blob) expect(await buffer(blob.read())).to.deep.equal(bytes)
    }
  })

  it('is absent where there is none', async () => {
    expect(await (await open()).open(digest, bytes.length)).to.equal(undefined)
  })

  it('stays when the blob is removed', async () => {
    const store = await holding(bytes)
    const blob = await whole(store)
    await store.remove(digest)
    expect(await buffer(blob.read())).to.deep.equal(bytes)
  })

  for (const [what, damage] of Object.entries(ROT)) {
    for (const when of ['under a running registry', 'before the start'] as const) {
      it(`with ${what}, ${when} -> is absent, put aside, told of once; a push heals it`, async () => {
        const store = await holding(bytes)
        if (when === 'under a running registry') await whole(store)
        await damage(blobFile(root, digest))
        const opened = await Promise.all(Array.from({ length: 8 }, () => store.open(digest, bytes.length)))
        expect(opened).to.deep.equal(opened.map(() => undefined))
        expect(await store.stat(digest)).to.equal(undefined)
        expect(await quarantined(root)).to.deep.equal([`sha256-${hexOf(digest)}`])
        expect(reports).to.have.length(1)
        await push(store, bytes)
        expect((await whole(store)).bytes).to.deep.equal(bytes)
      })
    }
  }

  it('that is damaged and cannot be put aside is not given out, and told of once', async () => {
    const faulty = new FaultyFs(root)
    const store = await holding(bytes, { fs: faulty.fs })
    await flip(blobFile(root, digest), 5)
    faulty.fail('rename', 'EROFS')
    expect(await store.open(digest, bytes.length)).to.equal(undefined)
    expect(reports).to.have.length(1)
    expect(reports[0]?.failure).to.have.property('code', 'EROFS')
  })

  it('is given out as it is where nothing is to be verified', async () => {
    const store = await holding(bytes, { verifyEvery: Number.POSITIVE_INFINITY })
    await flip(blobFile(root, digest), 5)
    expect((await whole(store)).bytes?.[5]).to.equal((bytes[5] ?? 0) ^ 1)
  })

  it('that was read counts as verified', async () => {
    const faulty = new FaultyFs(root)
    const store = await holding(bytes, { fs: faulty.fs })
    await whole(store)
    faulty.calls.length = 0
    expect(await store.stat(digest)).to.include({ size: bytes.length })
    expect(faulty.calls.map(call => call.split(' ')[0])).to.deep.equal(['stat'])
  })

  it('that cannot be read is an error, not absent', async () => {
    const store = await open()
    const path = blobFile(root, digest)
    await nodeFs.mkdir(path)
    const { size } = await nodeFs.stat(path)
    expect(await refusal(store.open(digest, size))).to.match(/^EISDIR/)
    await nodeFs.rmdir(path)
    expect(reports).to.deep.equal([])
  })
})

import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { open, readFile, rm, writeFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { expect } from 'chai'
import { giveAligned, takeAligned } from '../../src/lib/aligned-memory.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { BLOCK, DirectWriter } from '../../src/store/direct-writer.ts'
import { FsBlobStore } from '../../src/store/fs-store.ts'
import { content } from '../support/blobs.ts'
import { FaultyFs } from '../support/faults.ts'
import { storages } from '../support/storage.ts'

describe('store/direct-writer', () => {
  const fresh = storages()
  const max = 64 * 1024 * 1024
  let faulty: FaultyFs
  let path: string
  let root: string
  /** Whether this file system takes such writes at all. */
  let able: boolean

  beforeEach(async () => {
    root = await fresh()
    faulty = new FaultyFs(root)
    path = `${root}/file`
    await writeFile(path, '')
    const file = await open(path, constants.O_WRONLY | constants.O_DIRECT).catch(() => undefined)
    able = file !== undefined
    await file?.close()
  })

  const opened = () => faulty.calls.filter(call => call.startsWith('open ')).length

  it('writes blocks, from chunks of any size, through one file', async () => {
    const bytes = randomBytes(2 * BLOCK)
    const writer = new DirectWriter(faulty.fs, path)
    expect(await writer.write(pieces(bytes.subarray(0, BLOCK), 1000), 0)).to.equal(able)
    expect(await writer.write([bytes.subarray(BLOCK)], BLOCK)).to.equal(able)
    await writer.close()
    expect(opened()).to.equal(1)
    if (able) expect((await readFile(path)).equals(bytes)).to.equal(true)
  })

  it('leaves all that is no block, and opens nothing for it', async () => {
    const writer = new DirectWriter(faulty.fs, path)
    expect(await writer.write([Buffer.alloc(BLOCK - 1)], 0)).to.equal(false)
    expect(await writer.write([Buffer.alloc(BLOCK + 1)], 0)).to.equal(false)
    expect(await writer.write([Buffer.alloc(BLOCK)], 4096)).to.equal(false)
    expect(await writer.write([], 0)).to.equal(false)
    await writer.close()
    expect(faulty.calls).to.deep.equal([])
  })

  it('leaves a block while all memory for it is taken', async () => {
    const taken = Array.from({ length: 16 }, () => takeAligned())
    const writer = new DirectWriter(faulty.fs, path)
    expect(await writer.write([Buffer.alloc(BLOCK)], 0)).to.equal(false)
    for (const piece of taken) giveAligned(piece as Buffer)
    expect(await writer.write([Buffer.alloc(BLOCK)], 0)).to.equal(able)
    await writer.close()
  })

  for (const operation of ['open', 'writev']) {
    it(`leaves all blocks of a file where ${operation} fails, and keeps no memory`, async () => {
      faulty.fail(operation, 'EINVAL')
      for (let i = 0; i < 20; i++) {
        const writer = new DirectWriter(faulty.fs, path)
        expect(await writer.write([Buffer.alloc(BLOCK)], 0)).to.equal(false)
        expect(await writer.write([Buffer.alloc(BLOCK)], BLOCK)).to.equal(false)
        await writer.close()
      }
      expect(faulty.calls.filter(call => call.startsWith(operation))).to.have.length.at.most(20)
      faulty.heal()
      const writer = new DirectWriter(faulty.fs, path)
      expect(await writer.write([Buffer.alloc(BLOCK)], 0)).to.equal(able)
      await writer.close()
    })
  }

  it('says of half a block that it is not written', async () => {
    faulty.halfWrites = true
    const writer = new DirectWriter(faulty.fs, path)
    expect(await writer.write([Buffer.alloc(BLOCK)], 0)).to.equal(false)
    await writer.close()
  })

  describe('in an upload', () => {
    let store: FsBlobStore

    beforeEach(async () => {
      await rm(path)
      store = await FsBlobStore.open(root, { fs: faulty.fs })
      faulty.calls.length = 0
    })

    /** Pushes in two requests, cut at that byte. */
    const pushed = async (bytes: Buffer, cut: number) => {
      const upload = await store.begin('x')
      await upload.append(Readable.from(pieces(bytes.subarray(0, cut), 40_000)), { max })
      await upload.append(Readable.from(pieces(bytes.subarray(cut), 65_536)), { at: cut, max })
      await upload.commit(digestOf(bytes))
      return content(store, digestOf(bytes))
    }

    for (const [size, cut] of [
      [BLOCK, 0],
      [3 * BLOCK, BLOCK],
      [3 * BLOCK + 1, 1],
      [4 * BLOCK - 1, BLOCK + 4096],
      [4 * BLOCK + 4096, 3 * BLOCK - 1],
    ] as const) {
      it(`brings ${size} bytes cut at ${cut} to the file as they came`, async () => {
        const bytes = randomBytes(size)
        expect((await pushed(bytes, cut)).equals(bytes)).to.equal(true)
      })
    }

    it('that finds blocks refused writes them in the ordinary way', async () => {
      const bytes = randomBytes(3 * BLOCK)
      let writes = 0
      faulty.failIf(call => (able && call.startsWith('writev') && ++writes === 2 ? 'EINVAL' : undefined))
      expect((await pushed(bytes, 2 * BLOCK)).equals(bytes)).to.equal(true)
      expect(faulty.calls.filter(call => call.startsWith('writev'))).to.have.length(able ? 4 : 3)
    })

    it('closes every file that it opens', async () => {
      await pushed(randomBytes(3 * BLOCK + 1), BLOCK)
      expect(faulty.calls.filter(call => call.startsWith('close uploads/x'))).to.have.length(
        faulty.calls.filter(call => call === 'open uploads/x').length,
      )
    })

    it('that is read along writes nothing past the page cache', async () => {
      const upload = await store.begin('x')
      faulty.calls.length = 0
      await upload.append(Readable.from(pieces(randomBytes(2 * BLOCK), 65_536)), { max, onStaged: () => {} })
      expect(opened()).to.equal(1)
    })
  })
})

function pieces(bytes: Buffer, size: number): Buffer[] {
  const count = Math.ceil(bytes.length / size)
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
}

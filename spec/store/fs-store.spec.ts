import { link, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { expect } from 'chai'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import { FsBlobStore } from '../../src/store/fs-store.ts'
import { blobStoreContract } from '../contracts/blob-store.ts'
import { body, content, opened, push } from '../support/blobs.ts'
import { FaultyFs } from '../support/faults.ts'
import { openFiles } from '../support/open-files.ts'
import { refusal } from '../support/refusal.ts'
import { storages } from '../support/storage.ts'
import { tmpDir } from '../support/tmp.ts'

const fresh = storages()

blobStoreContract('FsBlobStore', async () => {
  const root = await fresh()
  return { store: await FsBlobStore.open(root), reopen: () => FsBlobStore.open(root) }
})

describe('FsBlobStore', () => {
  const emptyFolder = tmpDir()
  const bytes = Buffer.from('abc')
  const digest = digestOf(bytes)
  let root: string
  let store: FsBlobStore
  let file: string

  beforeEach(async () => {
    root = await fresh()
    store = await FsBlobStore.open(root)
    file = join(root, 'blobs/sha256', hexOf(digest).slice(0, 2), hexOf(digest))
  })

  it('lays blobs out by digest', async () => {
    await push(store, bytes)
    expect(await readFile(file)).to.deep.equal(bytes)
    expect(await readdir(join(root, 'uploads'))).to.deep.equal([])
  })

  it('has the folders of all shards from the start, also where its own was not there', async () => {
    root = join(await emptyFolder(), 'made', 'by-itself')
    await FsBlobStore.open(root)
    for (const algorithm of ['sha256', 'sha512']) {
      const shards = await readdir(join(root, 'blobs', algorithm))
      expect(shards).to.have.length(256).and.include.members(['00', 'ab', 'ff'])
    }
  })

  it('shows its files to nobody but the user and the group', async () => {
    await push(store, bytes)
    for (const path of [file, join(root, 'blobs'), join(root, 'uploads')]) {
      expect((await stat(path)).mode & 0o027, path).to.equal(0)
    }
  })

  it('heals a damaged blob that is pushed again', async () => {
    await push(store, bytes)
    for (const damaged of ['xyz', '', 'abcabc']) {
      await writeFile(file, damaged)
      await push(store, bytes)
      expect(await content(store, digest)).to.deep.equal(bytes)
    }
  })

  it('breaks the stream of a blob that was cut short under it', async () => {
    await push(store, bytes)
    const blob = await opened(store, digest)
    await truncate(file, 1)
    expect(await refusal(buffer(blob.read()))).to.equal('the file ends at byte 1, not at 3')
  })

  it('takes bytes of a broken write that a crash left as staged', async () => {
    const upload = await store.begin('x')
    await upload.append(body('a'), { max: 9 })
    await writeFile(join(root, 'uploads/x'), 'ab')
    expect((await store.resume('x'))?.size).to.equal(2)
    await upload.append(body('c'), { at: 2, max: 9 })
    await upload.commit(digest)
  })

  it('does not go on with an upload whose file a power loss has left to a blob as well', async () => {
    await push(store, bytes)
    await link(file, join(root, 'uploads/x'))
    expect(await store.resume('x')).to.equal(undefined)
    expect(await store.expireUploads(new Date(Date.now() + 60_000))).to.equal(1)
    expect(await content(store, digest)).to.deep.equal(bytes)
  })

  it('makes at a start only the folders that are missing, and syncs those above them', async () => {
    const again = new FaultyFs(root)
    await rm(join(root, 'blobs/sha256/7f'), { recursive: true })
    await FsBlobStore.open(root, { fs: again.fs })
    expect(again.calls.filter(call => call.startsWith('mkdir ') && call !== 'mkdir .')).to.deep.equal([
      'mkdir blobs/sha256/7f',
    ])
    for (const folder of ['.', 'blobs', 'blobs/sha256', 'blobs/sha512'])
      expect(
        again.calls.filter(call => call === `sync ${folder}`),
        folder,
      ).to.have.length(1)
  })

  it('opens the file of a held upload once, and closes it at commit or abort', async () => {
    const watched = new FaultyFs(root)
    const other = await FsBlobStore.open(root, { fs: watched.fs })
    watched.calls.length = 0
    const before = await openFiles()
    for (const end of ['commit', 'abort', 'both'] as const) {
      const upload = await other.begin('held', 'sha256', true)
      await upload.append(body('abc'), { max: 9 })
      expect(await buffer(upload.read())).to.deep.equal(bytes)
      upload.read().destroy()
      expect(await upload.digest()).to.equal(digest)
      if (end !== 'abort') await upload.commit(digest)
      if (end !== 'commit') await upload.abort()
      expect(await openFiles()).to.equal(before)
    }
    expect(watched.calls.filter(call => call.startsWith('open uploads/'))).to.have.length(3)
    const lost = await other.begin('held', 'sha256', true)
    await rm(join(root, 'uploads/held'))
    await lost.abort()
    expect(await openFiles()).to.equal(before)
  })

  it('passes over what is not its own', async () => {
    await writeFile(join(root, 'uploads/.nfs-0'), '')
    await writeFile(join(root, 'blobs/sha256/ab/notes'), '')
    await writeFile(join(root, 'blobs/sha256/00', hexOf(digest)), '')
    await mkdir(join(root, 'lost+found'))
    await push(store, bytes)
    const listed = []
    for await (const info of store.list()) listed.push(info.digest)
    expect(listed).to.deep.equal([digest])
    expect(await store.expireUploads(new Date(Date.now() + 60_000))).to.equal(0)
  })

  it('leaves no file open', async () => {
    await push(store, bytes)
    const before = await openFiles()
    for (let i = 0; i < 20; i++) {
      await push(store, bytes)
      await content(store, digest)
      await (await opened(store, digest)).close()
      const left = await opened(store, digest)
      left.read().destroy()
      await left.close()
    }
    expect(await openFiles()).to.equal(before)
  })

  it('is not well without its folders', async () => {
    await store.check()
    await rm(join(root, 'uploads'), { recursive: true })
    expect(await refusal(store.check())).to.equal('READ_ONLY')
  })
})

import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { scrub } from '../../src/core/scrub.ts'
import { type Digest, digestOf, hexOf } from '../../src/oci/digest.ts'
import { FsBlobStore } from '../../src/store/fs-store.ts'
import { push } from '../support/blobs.ts'
import { FaultyFs } from '../support/faults.ts'
import { refusal } from '../support/refusal.ts'
import { blobFile, flip } from '../support/rot.ts'
import { storages } from '../support/storage.ts'

describe('core/scrub', () => {
  const fresh = storages()
  const contents = Array.from({ length: 8 }, (_, i) => randomBytes(1000 * i))
  const digests = contents.map(bytes => digestOf(bytes)).sort()
  let root: string
  let faulty: FaultyFs
  let store: FsBlobStore

  const free = async () => {}

  async function outcomes(pace: (bytes: number) => Promise<void> = free, after?: Digest) {
    const list: [Digest, string][] = []
    for await (const { digest, outcome } of scrub(store, pace, after)) list.push([digest, outcome])
    return list
  }

  beforeEach(async () => {
    root = await fresh()
    faulty = new FaultyFs(root)
    store = await FsBlobStore.open(root, { fs: faulty.fs })
    for (const bytes of contents) await push(store, bytes)
  })

  it('reads all blobs in the order of their digests, though they were verified lately', async () => {
    let read = 0
    const all = await outcomes(async bytes => {
      read += bytes
    })
    expect(all).to.deep.equal(digests.map(digest => [digest, 'whole']))
    expect(read).to.equal(28_000)
  })

  it('begins behind a blob', async () => {
    const rest = await outcomes(free, digests[5])
    expect(rest.map(([digest]) => digest)).to.deep.equal(digests.slice(6))
  })

  it('finds what is damaged and takes it out of service', async () => {
    const bad = digestOf(contents[3] as Buffer)
    await flip(blobFile(root, bad), 500)
    expect((await outcomes()).filter(([, outcome]) => outcome !== 'whole')).to.deep.equal([[bad, 'damaged']])
    expect(await store.stat(bad)).to.equal(undefined)
    expect(await outcomes()).to.have.length(7)
  })

  it('leaves what cannot be read where it is, and goes on', async () => {
    const bad = digestOf(contents[3] as Buffer)
    faulty.fail(`read blobs/sha256/${hexOf(bad).slice(0, 2)}/${hexOf(bad)}`, 'EIO')
    expect((await outcomes()).filter(([, outcome]) => outcome !== 'whole')).to.deep.equal([
      [bad, 'unreadable'],
    ])
    faulty.heal()
    expect(await store.stat(bad)).to.include({ size: 3000 })
  })

  it('passes over what is removed meanwhile', async () => {
    const left: Digest[] = []
    for await (const { digest } of scrub(store, free)) {
      left.push(digest)
      if (left.length === 1) for (const gone of digests.slice(1, 4)) await store.remove(gone)
    }
    expect(left).to.deep.equal([digests[0], ...digests.slice(4)])
  })

  it('ends when it is told to', async () => {
    const stop = async () => {
      throw Object.assign(new Error('enough'), { code: 'ABORT_ERR' })
    }
    expect(await refusal(outcomes(stop))).to.equal('enough')
  })
})

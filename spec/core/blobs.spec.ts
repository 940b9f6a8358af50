import { buffer } from 'node:stream/consumers'
import { expect } from 'chai'
import { digestOf } from '../../src/oci/digest.ts'
import { refusal } from '../support/refusal.ts'
import { type CoreRegistry, openBlob, registries, repo } from '../support/registry.ts'

describe('core/blobs', () => {
  const open = registries()
  let registry: CoreRegistry

  beforeEach(async () => {
    registry = await open()
  })

  const content = async (repository: string, of: string) =>
    (await buffer((await openBlob(registry, repo(repository), digestOf(of))).read())).toString()

  it('come back as they were pushed', async () => {
    const { digest } = await registry.pushBlob('a', 'abc')
    expect(await registry.blobs.stat(repo('a'), digest)).to.equal(3)
    expect(await content('a', 'abc')).to.equal('abc')
  })

  it('may be empty', async () => {
    const { digest } = await registry.pushBlob('a', '')
    expect(await registry.blobs.stat(repo('a'), digest)).to.equal(0)
    expect(await content('a', '')).to.equal('')
  })

  it('of one repository are unknown to another, though they are stored', async () => {
    const { digest } = await registry.pushBlob('a', 'abc')
    expect(await refusal(registry.blobs.stat(repo('b'), digest))).to.equal('BLOB_UNKNOWN')
    expect(await refusal(openBlob(registry, repo('b'), digest))).to.equal('BLOB_UNKNOWN')
    expect(await refusal(registry.blobs.delete(repo('b'), digest))).to.equal('BLOB_UNKNOWN')
  })

  it('of an algorithm are unknown by another', async () => {
    await registry.pushBlob('a', 'abc')
    expect(await refusal(registry.blobs.stat(repo('a'), digestOf('abc', 'sha512')))).to.equal('BLOB_UNKNOWN')
  })

  it('whose bytes are gone are unknown', async () => {
    const { digest } = await registry.pushBlob('a', 'gone soon')
    await registry.store.remove(digest)
    expect(await refusal(openBlob(registry, repo('a'), digest))).to.equal('BLOB_UNKNOWN')
  })

  it('make no repository of their own', async () => {
    await registry.pushBlob('a', 'abc')
    expect((await registry.discovery.repositories(10)).items).to.deep.equal([])
    expect(await refusal(registry.tags('a'))).to.equal('NAME_UNKNOWN')
  })

  describe('a mount', () => {
    it('takes the blob of the repository that is named', async () => {
      const { digest } = await registry.pushBlob('a', 'abc')
      expect(await registry.blobs.mount(repo('b'), digest, repo('a'))).to.equal(true)
      expect(await content('b', 'abc')).to.equal('abc')
    })

    it('takes it from anywhere, where none is named', async () => {
      const { digest } = await registry.pushBlob('a/b', 'abc')
      expect(await registry.blobs.mount(repo('b'), digest)).to.equal(true)
      expect(await content('b', 'abc')).to.equal('abc')
    })

    it('takes nothing from a repository that does not hold it', async () => {
      const { digest } = await registry.pushBlob('a', 'abc')
      expect(await registry.blobs.mount(repo('b'), digest, repo('c'))).to.equal(false)
      expect(await refusal(registry.blobs.stat(repo('b'), digest))).to.equal('BLOB_UNKNOWN')
    })

    it('takes nothing that nobody holds any more, though it is stored', async () => {
      const { digest } = await registry.pushBlob('a', 'abc')
      await registry.blobs.delete(repo('a'), digest)
      expect(await registry.store.stat(digest)).to.include({ size: 3 })
      expect(await registry.blobs.mount(repo('b'), digest)).to.equal(false)
      expect(await registry.blobs.mount(repo('b'), digest, repo('a'))).to.equal(false)
    })

    it('takes nothing whose bytes are gone', async () => {
      const { digest } = await registry.pushBlob('a', 'gone too')
      await registry.store.remove(digest)
      expect(await registry.blobs.mount(repo('b'), digest, repo('a'))).to.equal(false)
    })

    it('of what is there already is fine', async () => {
      const { digest } = await registry.pushBlob('a', 'abc')
      expect(await registry.blobs.mount(repo('a'), digest, repo('a'))).to.equal(true)
    })
  })

  describe('a delete', () => {
    it('takes the blob out of this repository only', async () => {
      const { digest } = await registry.pushBlob('a', 'abc')
      await registry.blobs.mount(repo('b'), digest, repo('a'))
      await registry.blobs.delete(repo('a'), digest)
      expect(await refusal(registry.blobs.stat(repo('a'), digest))).to.equal('BLOB_UNKNOWN')
      expect(await content('b', 'abc')).to.equal('abc')
    })

    it('works once', async () => {
      const { digest } = await registry.pushBlob('a', 'abc')
      const outcomes = await Promise.all(
        [1, 2, 3].map(() => refusal(registry.blobs.delete(repo('a'), digest))),
      )
      expect(outcomes.sort()).to.deep.equal(['BLOB_UNKNOWN', 'BLOB_UNKNOWN', 'nothing: it went well'])
    })

    it('leaves an open blob readable', async () => {
      const { digest } = await registry.pushBlob('a', 'abc')
      const handle = await openBlob(registry, repo('a'), digest)
      await registry.blobs.delete(repo('a'), digest)
      expect((await buffer(handle.read())).toString()).to.equal('abc')
    })

    it('lets it be pushed again', async () => {
      const { digest } = await registry.pushBlob('a', 'abc')
      await registry.blobs.delete(repo('a'), digest)
      await registry.pushBlob('a', 'abc')
      expect(await registry.blobs.stat(repo('a'), digest)).to.equal(3)
    })
  })

  it('that are kept already are not written again', async () => {
    const { digest } = await registry.pushBlob('a', 'abc')
    registry.level.counts.batches = 0
    await registry.blobs.keep(repo('a'), digest, 3)
    expect(registry.level.counts.batches).to.equal(0)
  })
})

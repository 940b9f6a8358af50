import { expect } from 'chai'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { EMPTY } from '../support/oci.ts'
import { refusal } from '../support/refusal.ts'
import { type CoreRegistry, registries, repo } from '../support/registry.ts'

const A = repo('a')

describe('core/discovery', () => {
  const open = registries()
  let registry: CoreRegistry

  beforeEach(async () => {
    registry = await open()
  })

  /** All pages of that size, each a list. */
  async function pages<T>(
    limit: number,
    page: (limit: number, after?: string) => Promise<{ items: readonly T[]; next: string | undefined }>,
  ): Promise<T[][]> {
    const found: T[][] = []
    let after: string | undefined
    do {
      const { items, next } = await page(limit, after)
      found.push([...items])
      after = next
    } while (after !== undefined)
    return found
  }

  describe('tags', () => {
    const names = ['0.1', '0.10', '0.2', 'A', 'Z', '_', 'a', 'a-1', 'a.1', 'ab', 'latest']
    const sorted = [...names].sort()

    beforeEach(async () => {
      const { digest } = await registry.pushImage('a', 'latest', [])
      const bytes = (await registry.manifests.get(A, digest)).bytes
      await registry.manifests.put(A, digest, bytes, OCI_MANIFEST, { tags: [...names].reverse() as never })
      await registry.pushImage('a/b', 'other', [])
      await registry.pushImage('aa', 'other', [])
    })

    it('are in the order of their bytes', async () => {
      expect(await registry.discovery.tags(A, 100)).to.deep.equal({ items: sorted, next: undefined })
    })

    for (const size of [1, 2, 5, 10, 11, 12]) {
      it(`come each once in pages of ${size}`, async () => {
        const found = await pages(size, (limit, after) => registry.discovery.tags(A, limit, after))
        expect(found.flat()).to.deep.equal(sorted)
        expect(found).to.have.length(Math.ceil(sorted.length / size))
      })
    }

    it('are none where none are asked', async () => {
      expect(await registry.discovery.tags(A, 0)).to.deep.equal({ items: [], next: undefined })
    })

    it('go on behind a tag that is gone', async () => {
      expect((await registry.discovery.tags(A, 3, 'a-')).items).to.deep.equal(['a-1', 'a.1', 'ab'])
    })

    it('of a repository without any are an empty list', async () => {
      await registry.pushImage('b', undefined, [])
      expect(await registry.tags('b')).to.deep.equal([])
    })

    it('of an unknown repository are an error', async () => {
      expect(await refusal(registry.discovery.tags(repo('c'), 10))).to.equal('NAME_UNKNOWN')
      expect(await refusal(registry.discovery.tags(repo('c'), 0))).to.equal('NAME_UNKNOWN')
    })
  })

  describe('repositories', () => {
    it('are those with a manifest, in order, in pages', async () => {
      for (const name of ['b', 'a/b', 'a', 'a-b', 'a.b', 'aa', 'a/b/c'])
        await registry.pushImage(name, 'v1', [])
      await registry.pushBlob('blobs-only', 'x')
      const found = await pages(2, (limit, after) => registry.discovery.repositories(limit, after))
      expect(found).to.deep.equal([['a', 'a-b'], ['a.b', 'a/b'], ['a/b/c', 'aa'], ['b']])
    })

    it('are none in an empty registry', async () => {
      expect(await registry.discovery.repositories(10)).to.deep.equal({ items: [], next: undefined })
    })
  })

  describe('referrers', () => {
    it('of nothing are none', async () => {
      expect(await registry.discovery.referrers(A, digestOf('x'), 10, {})).to.deep.equal({
        items: [],
        next: undefined,
      })
    })

    it('tell type, size, annotations and digest', async () => {
      const subject = await registry.pushImage('a', 'v1', [])
      const more = { subject, artifactType: 'a/b', annotations: { x: 'y' } }
      const referrer = await registry.pushImage('a', undefined, [], more)
      const { items } = await registry.discovery.referrers(A, subject.digest, 10, {})
      expect(items).to.deep.equal([
        {
          mediaType: OCI_MANIFEST,
          digest: referrer.digest,
          size: referrer.size,
          artifactType: 'a/b',
          annotations: { x: 'y' },
        },
      ])
    })

    it('take the type of the config where there is no artifactType, and none for an index', async () => {
      const subject = await registry.pushImage('a', 'v1', [])
      await registry.pushImage('a', undefined, [], { subject })
      await registry.pushManifest('a', undefined, {
        schemaVersion: 2,
        mediaType: OCI_INDEX,
        manifests: [],
        subject,
      })
      const { items } = await registry.discovery.referrers(A, subject.digest, 10, {})
      const types = items.map(({ mediaType, artifactType }) => [mediaType, artifactType])
      expect(types).to.have.deep.members([
        [OCI_MANIFEST, EMPTY.mediaType],
        [OCI_INDEX, undefined],
      ])
    })

    it('are found before their subject is there, and by either algorithm', async () => {
      for (const digest of [digestOf('later'), digestOf('later', 'sha512')]) {
        const subject = { mediaType: OCI_MANIFEST, digest, size: 5 }
        const referrer = await registry.pushImage('a', undefined, [], { subject })
        const { items } = await registry.discovery.referrers(A, digest, 10, {})
        expect(items.map(item => item.digest)).to.deep.equal([referrer.digest])
      }
    })

    it('are those of the repository', async () => {
      const subject = await registry.pushImage('a', 'v1', [])
      await registry.pushImage('b', undefined, [], { subject })
      expect((await registry.discovery.referrers(A, subject.digest, 10, {})).items).to.deep.equal([])
    })

    it('of eight that attach at once are eight, sorted, in pages and by type', async () => {
      const subject = await registry.pushImage('a', 'v1', [])
      const attached = await Promise.all(
        Array.from({ length: 8 }, (_, i) =>
          registry.pushImage('a', undefined, [], {
            subject,
            artifactType: i % 2 === 0 ? 'a/even' : 'a/odd',
            annotations: { i: `${i}` },
          }),
        ),
      )
      const sorted = attached.map(({ digest }) => digest).sort()
      const list = (limit: number, artifactType?: string) =>
        pages(limit, async (size, after) => {
          const { items, next } = await registry.discovery.referrers(A, subject.digest, size, {
            artifactType,
            after,
          })
          return { items: items.map(({ digest }) => digest), next }
        })
      expect(await list(100)).to.deep.equal([sorted])
      expect((await list(3)).map(({ length }) => length)).to.deep.equal([3, 3, 2])
      expect((await list(3)).flat()).to.deep.equal(sorted)
      const even = await list(3, 'a/even')
      expect(even.map(({ length }) => length)).to.deep.equal([3, 1])
      expect([...even.flat(), ...(await list(100, 'a/odd')).flat()].sort()).to.deep.equal(sorted)
      expect(await list(100, 'a/e')).to.deep.equal([[]])
    })

    it('are a referrer each once, however often it is pushed', async () => {
      const subject = await registry.pushImage('a', 'v1', [])
      for (let i = 0; i < 3; i++) await registry.pushImage('a', `r${i}`, [], { subject })
      expect((await registry.discovery.referrers(A, subject.digest, 10, {})).items).to.have.length(1)
    })
  })

  it('is well while storage and index work', async () => {
    await registry.check()
    const closed = await open()
    await closed.close()
    expect(await refusal(closed.check())).to.match(/the index is closed/)
  })
})

import { expect } from 'chai'
import { digestOf } from '../../../src/oci/digest.ts'
import { OCI_INDEX } from '../../../src/oci/media-types.ts'
import type { Answer } from '../../support/ask.ts'
import { type Located, pushArtifact } from '../../support/oci.ts'
import { serving } from '../../support/server.ts'

/** The path of the next page, as RFC 8288 has it. */
function nextOf({ headers }: Answer): string | undefined {
  return /^<([^>]+)>; rel="next"$/.exec(String(headers.link ?? ''))?.[1]
}

describe('http/oci/lists', () => {
  const registry = serving()
  const get = (path: string) => registry().ask('GET', path)

  /** The lists on all pages from there. */
  async function pages(path: string, list: string): Promise<unknown[][]> {
    const found: unknown[][] = []
    for (let next: string | undefined = path; next !== undefined; ) {
      const answer = await get(next)
      expect(answer.status, answer.text).to.equal(200)
      found.push((answer.json as Record<string, unknown[]>)[list] ?? [])
      next = nextOf(answer)
    }
    return found
  }

  for (const n of ['-1', 'x', '1.5', '1e3', '', '%20', '9999999999999999']) {
    it(`n=${n} -> 400 with a code, on every list`, async () => {
      for (const path of ['/v2/_catalog', '/v2/a/tags/list', `/v2/a/referrers/${digestOf('x')}`]) {
        const answer = await get(`${path}?n=${n}`)
        expect(answer.status).to.equal(400)
        expect(answer.code).to.equal('UNSUPPORTED')
      }
    })
  }

  describe('tags', () => {
    const TAGS = ['V1', '_x', 'a', 'b', 'v1', 'v1.10', 'v1.2']

    before(async () => {
      for (const tag of [...TAGS].reverse()) await pushArtifact(registry(), 'tags/here', tag)
    })

    it('-> 200 with the name and all tags, bytewise', async () => {
      const answer = await get('/v2/tags/here/tags/list')
      expect(answer.status).to.equal(200)
      expect(answer.headers['content-type']).to.equal('application/json')
      expect(answer.headers).not.to.have.property('link')
      expect(answer.text).to.equal(JSON.stringify({ name: 'tags/here', tags: TAGS }))
    })

    it('HEAD -> the length of GET', async () => {
      const head = await registry().ask('HEAD', '/v2/tags/here/tags/list')
      const { headers } = await get('/v2/tags/here/tags/list')
      expect(head.status).to.equal(200)
      expect(head.headers['content-length']).to.equal(headers['content-length'])
    })

    it('n=3 -> pages of three, each with a Link to the next', async () => {
      const answer = await get('/v2/tags/here/tags/list?n=3')
      expect(answer.headers.link).to.equal('</v2/tags/here/tags/list?n=3&last=a>; rel="next"')
      expect(await pages('/v2/tags/here/tags/list?n=3', 'tags')).to.deep.equal([
        ['V1', '_x', 'a'],
        ['b', 'v1', 'v1.10'],
        ['v1.2'],
      ])
    })

    it('n as large as the list, or larger -> no Link', async () => {
      for (const n of [7, 8, 1_000_000_000]) {
        expect((await get(`/v2/tags/here/tags/list?n=${n}`)).headers).not.to.have.property('link')
      }
    })

    it('n=0 -> an empty list and no Link', async () => {
      const answer = await get('/v2/tags/here/tags/list?n=0')
      expect(answer.json).to.deep.equal({ name: 'tags/here', tags: [] })
      expect(answer.headers).not.to.have.property('link')
    })

    it('last -> what comes behind it, whether there is such a tag or not', async () => {
      const from = async (last: string) =>
        ((await get(`/v2/tags/here/tags/list?last=${last}`)).json as { tags: string[] }).tags
      expect(await from('b')).to.deep.equal(['v1', 'v1.10', 'v1.2'])
      expect(await from('bb')).to.deep.equal(['v1', 'v1.10', 'v1.2'])
      expect(await from('v1.2')).to.deep.equal([])
      expect(await from('')).to.deep.equal(TAGS)
      expect(await from('%00')).to.deep.equal(TAGS)
      expect(await from('%F0%9F%98%80')).to.deep.equal([])
    })

    it('of a repository that is not there -> 404 NAME_UNKNOWN', async () => {
      for (const query of ['', '?n=0', '?last=x']) {
        expect((await get(`/v2/nowhere/tags/list${query}`)).code).to.equal('NAME_UNKNOWN')
      }
    })

    it('more than a page holds -> 1,000 and a Link, also where more is asked for', async () => {
      const { digest } = await pushArtifact(registry(), 'crowded', 'first')
      const { bytes } = await get(`/v2/crowded/manifests/${digest}`)
      for (let i = 0; i < 1200; i += 300) {
        const tags = Array.from({ length: 300 }, (_, j) => `tag=t${i + j}`).join('&')
        const answer = await registry().write('PUT', `/v2/crowded/manifests/${digest}?${tags}`, {
          body: bytes,
        })
        expect(answer.status).to.equal(201)
      }
      for (const query of ['', '?n=5000']) {
        const found = await pages(`/v2/crowded/tags/list${query}`, 'tags')
        expect(found.map(({ length }) => length)).to.deep.equal([1000, 201])
        expect(new Set(found.flat())).to.have.property('size', 1201)
      }
    })
  })

  describe('catalog', () => {
    before(async () => {
      for (const name of ['zoo', 'zoo/bar', 'zoo-1', 'zoo.1']) await pushArtifact(registry(), name, 'v1')
    })

    it('-> 200 with all repositories that have a manifest, bytewise, in pages', async () => {
      const all = (await pages('/v2/_catalog', 'repositories')).flat() as string[]
      expect(all.filter(name => name.startsWith('zoo'))).to.deep.equal(['zoo', 'zoo-1', 'zoo.1', 'zoo/bar'])
      expect(all).to.deep.equal([...all].sort())
      expect((await pages('/v2/_catalog?n=2', 'repositories')).flat()).to.deep.equal(all)
    })

    it('Link -> the last name in percent-encoding', async () => {
      const answer = await get('/v2/_catalog?n=1&last=zoo.1')
      expect(answer.json).to.deep.equal({ repositories: ['zoo/bar'] })
      const previous = await get('/v2/_catalog?n=1&last=zoo-1')
      expect(nextOf(previous)).to.equal('/v2/_catalog?n=1&last=zoo.1')
      expect((await get('/v2/_catalog?n=0')).json).to.deep.equal({ repositories: [] })
    })

    it('a repository that has blobs alone -> is not in it', async () => {
      await registry().write('POST', `/v2/only-blobs/blobs/uploads/?digest=${digestOf('x')}`, { body: 'x' })
      expect((await get('/v2/_catalog')).text).not.to.include('only-blobs')
    })
  })

  describe('referrers', () => {
    let subject: Located
    const referrers: Located[] = []

    before(async () => {
      subject = await pushArtifact(registry(), 'referred', 'v1')
      for (let i = 0; i < 5; i++) {
        const artifactType =
          i % 2 === 0 ? 'application/vnd.example.sbom' : 'application/vnd.example.scan+json'
        const more = { subject, artifactType, annotations: { nth: String(i) } }
        referrers.push({ ...(await pushArtifact(registry(), 'referred', `r${i}`, more)), ...more })
      }
    })

    const path = () => `/v2/referred/referrers/${subject.digest}`

    const byDigest = (some: readonly Located[]) =>
      [...some]
        .sort((a, b) => (a.digest < b.digest ? -1 : 1))
        .map(({ mediaType, digest, size, artifactType, annotations }) => ({
          mediaType,
          digest,
          size,
          artifactType,
          annotations,
        }))

    it('-> 200 with an index of all, sorted, with type and annotations', async () => {
      const answer = await get(path())
      expect(answer.status).to.equal(200)
      expect(answer.headers['content-type']).to.equal(OCI_INDEX)
      expect(answer.headers).not.to.have.property('oci-filters-applied')
      const expected = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: byDigest(referrers) }
      expect(answer.json).to.deep.equal(expected)
    })

    it('artifactType -> those of the type, and OCI-Filters-Applied', async () => {
      for (const type of ['application/vnd.example.sbom', 'application/vnd.example.scan+json']) {
        const answer = await get(`${path()}?artifactType=${encodeURIComponent(type)}`)
        expect(answer.headers['oci-filters-applied']).to.equal('artifactType')
        const expected = referrers.filter(({ artifactType }) => artifactType === type)
        expect((answer.json as { manifests: unknown }).manifests).to.deep.equal(byDigest(expected))
      }
    })

    it('artifactType that nothing has -> an empty index, filtered', async () => {
      const answer = await get(`${path()}?artifactType=application/none`)
      expect((answer.json as { manifests: unknown[] }).manifests).to.deep.equal([])
      expect(answer.headers['oci-filters-applied']).to.equal('artifactType')
    })

    it('n=2 -> pages with Link, filtered or not', async () => {
      const found = await pages(`${path()}?n=2`, 'manifests')
      expect(found.map(({ length }) => length)).to.deep.equal([2, 2, 1])
      expect(found.flat()).to.deep.equal(byDigest(referrers))
      const filtered = await pages(`${path()}?n=2&artifactType=application/vnd.example.sbom`, 'manifests')
      expect(filtered.map(({ length }) => length)).to.deep.equal([2, 1])
    })

    it('of what nothing refers to, or of no repository -> 200 with an empty index, never 404', async () => {
      for (const repository of ['referred', 'nowhere']) {
        const answer = await get(`/v2/${repository}/referrers/${digestOf('nothing')}`)
        expect(answer.status).to.equal(200)
        expect(answer.json).to.deep.equal({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] })
      }
    })

    it('of a tag or a malformed digest -> 400 DIGEST_INVALID', async () => {
      for (const reference of ['v1', 'sha256:x']) {
        const answer = await get(`/v2/referred/referrers/${reference}`)
        expect(answer.status).to.equal(400)
        expect(answer.code).to.equal('DIGEST_INVALID')
      }
    })

    it('one that is deleted -> is not in the list any more', async () => {
      const last = referrers.pop()
      await registry().write('DELETE', `/v2/referred/manifests/${last?.digest}`)
      expect((await get(path())).text).not.to.include(last?.digest)
    })

    it('eight attached at once -> eight in the list', async () => {
      const target = await pushArtifact(registry(), 'raced', 'v1')
      const more = (i: number) => ({ subject: target, annotations: { nth: String(i) } })
      await Promise.all(
        Array.from({ length: 8 }, (_, i) => pushArtifact(registry(), 'raced', `r${i}`, more(i))),
      )
      const answer = await get(`/v2/raced/referrers/${target.digest}`)
      expect((answer.json as { manifests: unknown[] }).manifests).to.have.length(8)
    })
  })
})

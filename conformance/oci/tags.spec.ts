import { expect } from 'chai'
import type { Answer } from './answer.ts'
import { artifact } from './content.ts'
import { expectError, expectHeader, expectNoHeader, expectStatus } from './expect.ts'
import type { Repository } from './repository.ts'
import { beyond, client, must, newRepository } from './suite.ts'

const TAGS = ['1.10', '1.2', 'Beta', '_x', 'alpha', 'beta', 'latest', 'v1', 'v10', 'v2']

function tagsOf(answer: Answer): string[] {
  expectStatus(answer, 200)
  return (answer.json() as { tags: string[] }).tags
}

const ascii = (tags: string[]) => [...tags].sort()
const caseless = (tags: string[]) => [...tags].sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1))

describe('Listing tags:', () => {
  let repository: Repository
  let all: string[]
  before(async () => {
    repository = await newRepository().ready()
    const content = artifact()
    for (const tag of [...TAGS].reverse()) await repository.push(content, tag)
    all = tagsOf(await repository.get('tags/list'))
  })

  const list = (query: string) => repository.get(`tags/list${query}`)

  must('a repository that exists -> 200 and JSON with its name and tags', async () => {
    const answer = await list('')
    expectStatus(answer, 200)
    expect((answer.json() as { name: string }).name).to.equal(repository.name)
    expect([...all].sort()).to.deep.equal(TAGS)
  })

  beyond('Content-Type is JSON', async () => {
    expectHeader(await list(''), 'content-type', /^application\/json/)
  })

  must('the tags are in lexical or ASCIIbetical order', () => {
    expect([ascii(all).join(), caseless(all).join()]).to.include(all.join())
  })

  beyond('the order is ASCIIbetical', () => {
    expect(all).to.deep.equal(ascii(all))
  })

  beyond('a repository that does not exist -> 404 NAME_UNKNOWN', async () => {
    expectError(await newRepository().get('tags/list'), 404, 'NAME_UNKNOWN')
  })

  must('n=3 -> the first three, or fewer with a Link', async () => {
    const answer = await list('?n=3')
    const tags = tagsOf(answer)
    expect(tags).to.deep.equal(all.slice(0, tags.length))
    if (tags.length !== 3) expect(answer.next(), 'a Link').to.be.a('string')
  })

  beyond('n=3 -> three, with a Link to the next', async () => {
    const answer = await list('?n=3')
    expect(tagsOf(answer)).to.deep.equal(all.slice(0, 3))
    expectHeader(answer, 'link', /^<[^>]+>\s*;\s*rel="?next"?$/)
  })

  must('a Link, followed to the end, gives every tag once and in order', async () => {
    for (const n of [1, 3, 5]) {
      const pages = await repository.pages(`tags/list?n=${n}`)
      if (pages.length === 1) continue
      expect(pages.flatMap(tagsOf)).to.deep.equal(all)
      for (const page of pages) expect(tagsOf(page).length).to.be.at.most(n)
    }
  })

  beyond('a page that ends with the last tag has no Link', async () => {
    expectNoHeader(await list(`?n=${all.length}`), 'link')
    expectNoHeader(await list(`?n=3&last=${all.at(-4)}`), 'link')
  })

  must('n above the number of tags -> all', async () => {
    expect(tagsOf(await list('?n=50'))).to.deep.equal(all)
  })

  must('n=0 -> an empty list without a Link', async () => {
    const answer = await list('?n=0')
    expect(tagsOf(answer)).to.deep.equal([])
    expectNoHeader(answer, 'link')
  })

  must('n=0 with last -> an empty list without a Link', async () => {
    const answer = await list(`?n=0&last=${all[2]}`)
    expect(tagsOf(answer)).to.deep.equal([])
    expectNoHeader(answer, 'link')
  })

  must('last -> the tags behind it, without it', async () => {
    expect(tagsOf(await list(`?last=${all[3]}`))).to.deep.equal(all.slice(4))
  })

  must('n and last -> up to n tags behind it', async () => {
    const tags = tagsOf(await list(`?n=2&last=${all[3]}`))
    expect(tags).to.deep.equal(all.slice(4, 6))
  })

  must('the last tag as last -> an empty list', async () => {
    expect(tagsOf(await list(`?last=${all.at(-1)}`))).to.deep.equal([])
  })

  beyond('last need not be a tag of the repository: what would come behind it is listed', async () => {
    expect(tagsOf(await list('?last=v1a'))).to.deep.equal(
      all.slice(all.indexOf('v1') + 1).filter(tag => tag > 'v1a'),
    )
  })

  beyond('a huge n is capped or answers all -> 200', async () => {
    expect(tagsOf(await list('?n=1000000000'))).to.deep.equal(all)
  })

  for (const n of ['-1', 'abc', '1.5', '1e9', '0x10', '', '%00', '1,2']) {
    beyond(`n=${n} is no number of tags -> 400`, async () => {
      expectStatus(await list(`?n=${n}`), 400)
    })
  }

  beyond('an n that fits no integer is capped -> 200, or refused -> 400', async () => {
    expectStatus(await list('?n=99999999999999999999999999'), 200, 400)
  })

  beyond('a repository whose tags are all deleted -> 200 and an empty list', async () => {
    const other = await newRepository().ready()
    await other.push(artifact(), 'v1')
    expectStatus(await other.delete('manifests/v1'), 202)
    expect(tagsOf(await other.get('tags/list'))).to.deep.equal([])
  })

  beyond('a repository with blobs only is found or not: 200 and an empty list, or 404', async () => {
    const answer = await (await newRepository().ready()).get('tags/list')
    expectStatus(answer, 200, 404)
    if (answer.status === 200) expect(tagsOf(answer)).to.deep.equal([])
  })

  beyond('1,200 tags: each is found once by following Link, whatever the cap of a page is', async () => {
    const other = await newRepository().ready()
    const content = await other.push(artifact())
    const many = Array.from({ length: 1200 }, (_, n) => `t${10_000 + n}`)
    const query = many.slice(0, 50).map(tag => `tag=${tag}`)
    const byParameter =
      (await other.put(`${content.digest()}?${query.join('&')}`, content)).header('oci-tag') !== undefined
    const step = byParameter ? 50 : 1
    for (let at = 0; at < many.length; at += step * 8) {
      const groups = Array.from({ length: 8 }, (_, n) => many.slice(at + n * step, at + (n + 1) * step))
      await Promise.all(groups.filter(group => group.length > 0).map(group => pushTags(group)))
    }
    async function pushTags(group: string[]): Promise<void> {
      const reference = byParameter
        ? `${content.digest()}?${group.map(tag => `tag=${tag}`).join('&')}`
        : (group[0] ?? '')
      expectStatus(await other.put(reference, content), 201)
    }
    expect(await other.tags()).to.deep.equal(many)
  })

  beyond('a Link works for a client that takes it from the host it came from', async () => {
    const next = (await list('?n=2')).next() ?? ''
    expect(tagsOf(await client.get(new URL(next, client.target.url).href)).length).to.be.at.least(1)
  })
})

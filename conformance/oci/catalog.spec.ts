import { expect } from 'chai'
import type { Answer } from './answer.ts'
import { artifact } from './content.ts'
import { expectHeader, expectNoHeader, expectStatus } from './expect.ts'
import { Repository } from './repository.ts'
import { beyond, client, newRepository } from './suite.ts'

// Not in the OCI spec; from the Docker Registry HTTP API V2 that it is based on. Lists every repository of the registry,
// so the cases look only at those made here, by beginning behind a name of their own.

describe('Listing repositories (_catalog):', () => {
  let base: string
  let names: string[]
  before(async () => {
    base = newRepository('catalog').name
    names = ['a', 'b', 'c/d', 'c/e', 'f'].map(tail => `${base}/${tail}`)
    for (const name of [...names].reverse()) {
      const repository = await new Repository(client, name).ready()
      await repository.push(artifact(), 'v1')
    }
  })

  const list = (query: string) => client.get(`/v2/_catalog${query}`)

  function namesOf(answer: Answer): string[] {
    expectStatus(answer, 200)
    return (answer.json() as { repositories: string[] }).repositories
  }

  beyond('GET -> 200 and JSON with repositories', async () => {
    const answer = await list('')
    expect(namesOf(answer)).to.be.an('array')
    expectHeader(answer, 'content-type', /^application\/json/)
  })

  beyond('n and last -> n repositories behind last, in order', async () => {
    expect(namesOf(await list(`?n=3&last=${base}/`))).to.deep.equal(names.slice(0, 3))
    expect(namesOf(await list(`?n=2&last=${encodeURIComponent(names[1] ?? '')}`))).to.deep.equal(
      names.slice(2, 4),
    )
  })

  beyond('pages are joined by Link, each repository is listed once, in order', async () => {
    const found: string[] = []
    let next: string | undefined = `/v2/_catalog?n=2&last=${encodeURIComponent(`${base}/`)}`
    for (let pages = 0; next !== undefined && pages < 4; pages++) {
      const page: Answer = await list(next.slice(next.indexOf('?')))
      found.push(...namesOf(page))
      next = page.next()
    }
    expect(found.filter(name => name.startsWith(`${base}/`))).to.deep.equal(names)
    expect(found).to.deep.equal([...found].sort())
  })

  beyond('n=0 -> an empty list without a Link', async () => {
    const answer = await list('?n=0')
    expect(namesOf(answer)).to.deep.equal([])
    expectNoHeader(answer, 'link')
  })

  for (const n of ['-1', 'abc', '1e9']) {
    beyond(`n=${n} is no number -> 400`, async () => {
      expectStatus(await list(`?n=${n}`), 400)
    })
  }

  beyond('a huge n is capped or answers all -> 200', async () => {
    expect(namesOf(await list(`?n=1000000000&last=${base}/`)).slice(0, names.length)).to.deep.equal(names)
  })
})

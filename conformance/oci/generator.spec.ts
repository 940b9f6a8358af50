import { expect } from 'chai'
import fc from 'fast-check'
import { type Answer, ERROR_CODES } from './answer.ts'
import { artifact } from './content.ts'
import { expectBytes } from './expect.ts'
import { compose, shown } from './hostile/case.ts'
import { type Generated, generated } from './hostile/generated.ts'
import { exchange } from './raw.ts'
import type { Repository } from './repository.ts'
import { client, newRepository, target } from './suite.ts'

describe(`Generated requests (${target.hostile}, seed ${target.seed}):`, () => {
  let repository: Repository
  let authorization: string
  const seen = new Map<number, number>()
  before(async () => {
    repository = await newRepository('generated').ready()
    await repository.push(artifact(), 'v1')
    authorization = (await client.writeAuthorization(repository.name)) ?? ''
  })

  it('each is answered, without 5xx, and refused where the spec forbids it [hostile]', async function () {
    this.timeout(240_000 + target.hostile * 500)
    await fc.assert(
      fc.asyncProperty(generated, async request => {
        const path = request.path.replace('{repo}', repository.name)
        const pieces = compose(request, path, target.url.host, authorization)
        const outcome = await exchange(target.url, `${request.method} ${shown(path)}`, pieces)
        if (outcome === 'closed') throw new Error('closed without an answer')
        client.pushed.note(outcome)
        seen.set(outcome.status, (seen.get(outcome.status) ?? 0) + 1)
        check(request, outcome)
      }),
      {
        numRuns: target.hostile,
        seed: target.seed,
      },
    )
  })

  after(() => {
    const counts = [...seen].sort(([a], [b]) => a - b).map(([status, count]) => `${count} x ${status}`)
    console.log(`    answers: ${counts.join(', ')}`)
  })

  it('afterwards a normal push and pull works [hostile]', async () => {
    const content = await repository.push(artifact(), 'after')
    expectBytes(await repository.get('manifests/after'), content.bytes)
  })
})

function check(request: Generated, answer: Answer): void {
  expect(answer.status, answer.toString()).to.be.within(200, 499)
  if (request.forbidden !== undefined) {
    expect(answer.status, `${answer} although ${request.forbidden}`).to.be.at.least(300)
  }
  if (answer.status < 400 || request.method === 'HEAD') return
  const json = /json/.test(answer.header('content-type') ?? '')
  if (json) expect(ERROR_CODES, answer.toString()).to.include.members(answer.codes())
}

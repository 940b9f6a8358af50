import { expect } from 'chai'
import { type Answer, ERROR_CODES } from './answer.ts'
import { artifact, blob } from './content.ts'
import { expectBytes, expectStatus } from './expect.ts'
import { compose, type Hostile } from './hostile/case.ts'
import { HOSTILE_CONNECTIONS } from './hostile/connections.ts'
import { HOSTILE_MANIFESTS } from './hostile/manifests.ts'
import { HOSTILE_NAMES } from './hostile/names.ts'
import { HOSTILE_QUERIES } from './hostile/queries.ts'
import { HOSTILE_DIGESTS, HOSTILE_REFERENCES } from './hostile/references.ts'
import { HOSTILE_UPLOADS } from './hostile/uploads.ts'
import { exchange } from './raw.ts'
import type { Repository } from './repository.ts'
import { client, newRepository, target } from './suite.ts'

const TABLE: Record<string, Hostile[]> = {
  names: HOSTILE_NAMES,
  references: HOSTILE_REFERENCES,
  digests: HOSTILE_DIGESTS,
  uploads: HOSTILE_UPLOADS,
  queries: HOSTILE_QUERIES,
  manifests: HOSTILE_MANIFESTS,
  connections: HOSTILE_CONNECTIONS,
}

for (const [what, requests] of Object.entries(TABLE)) {
  describe(`Hostile ${what}:`, () => {
    let repository: Repository
    let digest: string
    let authorization: string
    before(async () => {
      repository = await newRepository('hostile').ready()
      await repository.push(artifact(), 'v1')
      digest = (await repository.pushBlob(blob())).digest()
      authorization = (await client.writeAuthorization(repository.name)) ?? ''
    })

    async function pathOf(request: Hostile): Promise<string> {
      let path = request.path.replaceAll('{repo}', repository.name).replaceAll('{blob}', digest)
      if (path.includes('{session}')) {
        const { pathname, search } = new URL((await repository.begin()).location)
        path = path.replace('{session}', `${pathname}${search === '' ? '?' : `${search}&`}`)
      }
      return path
    }

    for (const request of requests) {
      it(`${request.title} -> ${request.verdict} [hostile]`, async () => {
        const path = await pathOf(request)
        const pieces = compose(request, path, target.url.host, authorization)
        const outcome = await exchange(target.url, `${request.method} ${path.slice(0, 200)}`, pieces)
        if (outcome !== 'closed') client.pushed.note(outcome)
        if (outcome === 'closed')
          expect(request.verdict, 'closed without an answer').to.be.oneOf(['broken', 'harmless'])
        else expectVerdict(outcome, request.verdict)
      })
    }

    it('afterwards nothing of it was stored [hostile]', async () => {
      expect((await repository.tags()).filter(tag => tag !== 'odd')).to.deep.equal(['v1'])
    })

    it('afterwards a normal push and pull works [hostile]', async () => {
      const after = await newRepository('after').ready()
      const content = await after.push(artifact(), 'v1')
      expectBytes(await after.get('manifests/v1'), content.bytes)
      expectStatus(await after.delete('manifests/v1'), 202)
    })
  })
}

function expectVerdict(answer: Answer, verdict: Hostile['verdict']): void {
  const { status } = answer
  if (verdict === 'broken' && (status === 501 || status === 505)) return
  expect(status, answer.toString()).to.be.within(200, 499)
  if (verdict === 'harmless' || (verdict === 'moved' && status >= 301 && status <= 308 && status !== 304))
    return
  if (verdict === 'untagged' && status < 300 && answer.header('oci-tag') === undefined) return
  expect(status, answer.toString()).to.be.at.least(400)
  if (verdict === 'broken' || answer.request.startsWith('HEAD ')) return
  const codes = answer.codes()
  expect(codes, `codes of ${answer}`).to.have.length.at.least(1)
  for (const code of codes) expect(ERROR_CODES).to.include(code)
}

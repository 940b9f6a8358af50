import { expect } from 'chai'
import type { Answer } from './answer.ts'
import { blob, type Content, unknownDigest } from './content.ts'
import { expectBytes, expectHeader, expectStatus } from './expect.ts'
import type { Repository } from './repository.ts'
import { Session } from './session.ts'
import { beyond, client, must, newRepository, should } from './suite.ts'

describe('Mounting a blob from another repository:', () => {
  let source: Repository
  let content: Content
  before(async () => {
    source = newRepository('source')
    content = await source.pushBlob(blob(2000))
  })

  async function mount(digest: string, from?: string): Promise<{ answer: Answer; repository: Repository }> {
    const repository = newRepository('mounted')
    const query = `?mount=${digest}${from === undefined ? '' : `&from=${encodeURIComponent(from)}`}`
    return { answer: await repository.post(query), repository }
  }

  /** Mounting what nobody has begins an upload of it. */
  async function expectSession(from?: string): Promise<void> {
    const missing = blob()
    const { answer, repository } = await mount(missing.digest(), from)
    expectStatus(answer, 202)
    expectStatus(await new Session(client, answer).put(missing.digest(), missing.bytes), 201)
    expectBytes(await repository.get(`blobs/${missing.digest()}`), missing.bytes)
  }

  must(
    'a mount is done -> 201 and a Location from which the blob can be pulled, or a session begins -> 202',
    async () => {
      const { answer } = await mount(content.digest(), source.name)
      expectStatus(answer, 201, 202)
      expectHeader(answer, 'location', /./)
      if (answer.status === 201) expectBytes(await client.get(answer.header('location') ?? ''), content.bytes)
    },
  )

  beyond('it is supported: 201, and the blob is there', async () => {
    const { answer, repository } = await mount(content.digest(), source.name)
    expectStatus(answer, 201)
    expectBytes(await repository.get(`blobs/${content.digest()}`), content.bytes)
  })

  beyond('a mounted blob has its digest in Docker-Content-Digest of the 201', async () => {
    const { answer } = await mount(content.digest(), source.name)
    expectStatus(answer, 201)
    expectHeader(answer, 'docker-content-digest', content.digest())
  })

  must('without from -> 201 or 202', async () => {
    expectStatus((await mount(content.digest())).answer, 201, 202)
  })

  beyond('without from, a blob that the caller may read -> 201', async () => {
    const { answer, repository } = await mount(content.digest())
    expectStatus(answer, 201)
    expectBytes(await repository.get(`blobs/${content.digest()}`), content.bytes)
  })

  should('a missing blob -> 202, and the session works', async () => {
    await expectSession(source.name)
  })

  should('a missing blob without from -> 202, and the session works', async () => {
    await expectSession()
  })

  should('from a repository that does not exist, a missing blob -> 202, and the session works', async () => {
    await expectSession(newRepository().name)
  })

  must('from a repository that does not have the blob -> 201 or 202', async () => {
    const other = newRepository()
    await other.pushBlob(blob())
    expectStatus((await mount(content.digest(), other.name)).answer, 201, 202)
  })

  beyond('a sha512 blob -> 201', async () => {
    const strong = await source.pushBlob(blob(), 'sha512')
    const { answer, repository } = await mount(strong.digest('sha512'), source.name)
    expectStatus(answer, 201)
    expectBytes(await repository.get(`blobs/${strong.digest('sha512')}`), strong.bytes)
  })

  beyond('into the repository that has it already -> 201', async () => {
    expectStatus(await source.post(`?mount=${content.digest()}&from=${source.name}`), 201)
  })

  beyond('a digest that is none -> 400', async () => {
    expectStatus((await mount('sha256:baddigeststring', source.name)).answer, 202, 400)
  })

  beyond('from with a name that is none -> 4xx or 202, and nothing is mounted', async () => {
    const { answer, repository } = await mount(unknownDigest(), '../../etc')
    expect(answer.status, answer.toString()).to.satisfy(
      (status: number) => status === 202 || (status >= 400 && status < 500),
    )
    expectStatus(await repository.get(`blobs/${content.digest()}`), 404)
  })

  beyond('a mounted blob stays when its source is deleted', async () => {
    const own = await source.pushBlob(blob())
    const { answer, repository } = await mount(own.digest(), source.name)
    expectStatus(answer, 201)
    expectStatus(await source.delete(`blobs/${own.digest()}`), 202)
    expectBytes(await repository.get(`blobs/${own.digest()}`), own.bytes)
  })

  beyond('a blob that was deleted everywhere cannot be mounted: 202', async () => {
    const own = await source.pushBlob(blob())
    expectStatus(await source.delete(`blobs/${own.digest()}`), 202)
    expectStatus((await mount(own.digest(), source.name)).answer, 202)
    expectStatus((await mount(own.digest())).answer, 202)
  })
})

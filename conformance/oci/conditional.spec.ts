import { expect } from 'chai'
import { artifact, type Content, unknownDigest } from './content.ts'
import { expectBytes, expectError, expectStatus } from './expect.ts'
import type { Repository } from './repository.ts'
import { beyond, newRepository } from './suite.ts'

// "The client MAY use conditional HTTP requests": the spec names them, RFC 9110 section 13 says what they mean.

const quoted = (content: Content) => `"${content.digest()}"`

describe('Conditional pushes of a tag:', () => {
  let repository: Repository
  let first: Content
  beforeEach(async () => {
    repository = await newRepository().ready()
    first = await repository.push(artifact(), 'v1')
  })

  const put = (tag: string, headers: Record<string, string>, content = artifact()) =>
    repository.put(tag, content, headers)

  async function expectUnchanged(): Promise<void> {
    expectBytes(await repository.get('manifests/v1'), first.bytes)
  }

  beyond('If-None-Match: * and no such tag -> 201', async () => {
    const content = artifact()
    expectStatus(await put('v2', { 'if-none-match': '*' }, content), 201)
    expectBytes(await repository.get('manifests/v2'), content.bytes)
  })

  beyond('If-None-Match: * and the tag is there -> 412, and it stays what it was', async () => {
    expectStatus(await put('v1', { 'if-none-match': '*' }), 412)
    await expectUnchanged()
  })

  beyond('If-Match with the current digest -> 201', async () => {
    const content = artifact()
    expectStatus(await put('v1', { 'if-match': quoted(first) }, content), 201)
    expectBytes(await repository.get('manifests/v1'), content.bytes)
  })

  beyond('If-Match with the ETag of a GET -> 201', async () => {
    const etag = (await repository.get('manifests/v1')).header('etag') ?? '"none"'
    expectStatus(await put('v1', { 'if-match': etag }), 201)
  })

  beyond('If-Match with another digest -> 412, and the tag stays what it was', async () => {
    expectStatus(await put('v1', { 'if-match': `"${unknownDigest()}"` }), 412)
    await expectUnchanged()
  })

  beyond('If-Match with what the tag was before -> 412', async () => {
    const second = await repository.push(artifact(), 'v1')
    expectStatus(await put('v1', { 'if-match': quoted(first) }), 412)
    expectBytes(await repository.get('manifests/v1'), second.bytes)
  })

  beyond('If-Match with a list that has the current digest -> 201', async () => {
    expectStatus(await put('v1', { 'if-match': `"${unknownDigest()}", ${quoted(first)}` }), 201)
  })

  beyond('If-Match with a weak ETag -> 412: the comparison is the strong one', async () => {
    expectStatus(await put('v1', { 'if-match': `W/${quoted(first)}` }), 412)
    await expectUnchanged()
  })

  beyond('If-Match and no such tag -> 412', async () => {
    expectStatus(await put('v2', { 'if-match': quoted(first) }), 412)
    expectStatus(await repository.get('manifests/v2'), 404)
  })

  beyond('If-Match: * -> 201 where the tag is there, 412 where not', async () => {
    expectStatus(await put('v1', { 'if-match': '*' }), 201)
    expectStatus(await put('v2', { 'if-match': '*' }), 412)
  })

  beyond('If-None-Match with the current digest -> 412, with another -> 201', async () => {
    expectStatus(await put('v1', { 'if-none-match': quoted(first) }), 412)
    expectStatus(await put('v1', { 'if-none-match': `"${unknownDigest()}"` }), 201)
  })

  beyond('a 412 says so in the form of the spec', async () => {
    expectError(await put('v1', { 'if-none-match': '*' }), 412, 'DENIED', 'UNSUPPORTED', 'MANIFEST_INVALID')
  })

  beyond('eight create one tag at once -> one 201, seven 412', async () => {
    const all = Array.from({ length: 8 }, () => artifact())
    const answers = await Promise.all(all.map(content => put('raced', { 'if-none-match': '*' }, content)))
    const statuses = answers.map(answer => answer.status).sort()
    expect(statuses).to.deep.equal([201, ...Array.from({ length: 7 }, () => 412)])
    const winner = all[answers.findIndex(answer => answer.status === 201)] as Content
    expectBytes(await repository.get('manifests/raced'), winner.bytes)
  })

  beyond(
    'eight writers add to a counter in a manifest, five times each -> 40: no update is lost',
    async () => {
      const counter = (value: number) => artifact({ annotations: { 'org.example.counter': String(value) } })
      const read = (body: Buffer) => Number(JSON.parse(body.toString()).annotations['org.example.counter'])
      await repository.push(counter(0), 'counter')
      async function increment(): Promise<void> {
        for (let tries = 0; tries < 500; tries++) {
          const now = await repository.get('manifests/counter')
          const digest = now.header('docker-content-digest') ?? ''
          const answer = await put('counter', { 'if-match': `"${digest}"` }, counter(read(now.body) + 1))
          if (answer.status === 201) return
          expectStatus(answer, 412)
        }
        throw new Error('lost 500 times in a row')
      }
      await Promise.all(
        Array.from({ length: 8 }, async () => {
          for (let n = 0; n < 5; n++) await increment()
        }),
      )
      expect(read((await repository.get('manifests/counter')).body)).to.equal(40)
    },
  )
})

describe('Conditional deletes of a tag:', () => {
  let repository: Repository
  let first: Content
  beforeEach(async () => {
    repository = await newRepository().ready()
    first = await repository.push(artifact(), 'v1')
  })

  beyond('If-Match with the current digest -> 202', async () => {
    expectStatus(await repository.delete('manifests/v1', { 'if-match': quoted(first) }), 202)
    expectStatus(await repository.get('manifests/v1'), 404)
  })

  beyond('If-Match with another digest -> 412, and the tag stays', async () => {
    expectStatus(await repository.delete('manifests/v1', { 'if-match': `"${unknownDigest()}"` }), 412)
    expectBytes(await repository.get('manifests/v1'), first.bytes)
  })

  beyond('If-None-Match: * -> 412, and the tag stays', async () => {
    expectStatus(await repository.delete('manifests/v1', { 'if-none-match': '*' }), 412)
    expectBytes(await repository.get('manifests/v1'), first.bytes)
  })

  beyond('eight delete what they saw at once -> one 202, the others 404 or 412', async () => {
    const headers = { 'if-match': quoted(first) }
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => repository.delete('manifests/v1', headers)),
    )
    const statuses = answers.map(answer => answer.status)
    expect(statuses.filter(status => status === 202).length).to.equal(1)
    for (const status of statuses) expect(status).to.be.oneOf([202, 404, 412])
  })
})

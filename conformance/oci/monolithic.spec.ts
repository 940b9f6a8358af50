import { expect } from 'chai'
import { blob, Content, unknownDigest } from './content.ts'
import { expectBytes, expectHeader, expectStatus } from './expect.ts'
import type { Repository } from './repository.ts'
import { beyond, client, must, newRepository, should } from './suite.ts'

const NOTHING = new Content('application/octet-stream', '')

describe('Pushing a blob by POST then PUT:', () => {
  must('POST -> 202 and a Location', async () => {
    const answer = await newRepository().post()
    expectStatus(answer, 202)
    expectHeader(answer, 'location', /./)
  })

  must('each POST gives a session of its own', async () => {
    const repository = newRepository()
    expect((await repository.begin()).location).to.not.equal((await repository.begin()).location)
  })

  must('PUT with the whole blob -> 201 and a Location from which it can be pulled', async () => {
    const repository = newRepository()
    const content = blob()
    const answer = await (await repository.begin()).put(content.digest(), content.bytes)
    expectStatus(answer, 201)
    expectBytes(await client.get(answer.header('location') ?? ''), content.bytes)
  })

  beyond('a stored blob has its digest in Docker-Content-Digest of the 201', async () => {
    const content = blob()
    const answer = await (await newRepository().begin()).put(content.digest(), content.bytes)
    expectHeader(answer, 'docker-content-digest', content.digest())
  })

  should('a digest that the bytes do not have -> 400', async () => {
    const repository = newRepository()
    const wrong = unknownDigest()
    expectStatus(await (await repository.begin()).put(wrong, blob().bytes), 400)
    expectStatus(await repository.get(`blobs/${wrong}`), 404)
  })

  should('a digest that is none -> 400', async () => {
    expectStatus(await (await newRepository().begin()).put('sha256:baddigeststring', blob().bytes), 400)
  })

  should('a digest of an unsupported algorithm -> 400', async () => {
    expectStatus(await (await newRepository().begin()).put(`md4:${'0'.repeat(32)}`, blob().bytes), 400)
  })

  must('the closing PUT includes the digest: without it -> 4xx', async () => {
    const session = await newRepository().begin()
    const answer = await client.request('PUT', session.location, { body: blob().bytes })
    expect(answer.status, answer.toString()).to.be.within(400, 499)
  })

  beyond('a blob of zero bytes is stored and comes back with Content-Length 0', async () => {
    const repository = newRepository()
    expectStatus(await (await repository.begin()).put(NOTHING.digest()), 201)
    for (const answer of [
      await repository.head(`blobs/${NOTHING.digest()}`),
      await repository.get(`blobs/${NOTHING.digest()}`),
    ]) {
      expectStatus(answer, 200)
      expectHeader(answer, 'content-length', '0')
      expect(answer.body.length).to.equal(0)
    }
  })

  beyond('a blob that is there already -> 201 again', async () => {
    const repository = newRepository()
    const content = await repository.pushBlob(blob())
    expectStatus(await (await repository.begin()).put(content.digest(), content.bytes), 201)
  })

  beyond('the same blob in eight sessions at once -> 201 each', async () => {
    const repository = newRepository()
    const content = blob(300_000)
    const sessions = await Promise.all(Array.from({ length: 8 }, () => repository.begin()))
    for (const answer of await Promise.all(sessions.map(one => one.put(content.digest(), content.bytes)))) {
      expectStatus(answer, 201)
    }
    expectBytes(await repository.get(`blobs/${content.digest()}`), content.bytes)
  })

  beyond('a client that waits for 100 Continue is told to go on', async () => {
    const repository = newRepository()
    const session = await repository.begin()
    const content = blob()
    const url = session.closing(content.digest())
    expectStatus(
      await client.request('PUT', url, { headers: { expect: '100-continue' }, body: content.bytes }),
      201,
    )
  })
})

describe('Pushing a blob by a single POST:', () => {
  must('POST with a digest and the bytes -> 201, or 202 with a session', async () => {
    const repository = newRepository()
    const content = blob()
    const answer = await repository.post(`?digest=${content.digest()}`, content.bytes)
    expectStatus(answer, 201, 202)
    expectHeader(answer, 'location', /./)
    if (answer.status === 201) expectBytes(await client.get(answer.header('location') ?? ''), content.bytes)
  })

  beyond('it is supported: the answer is 201', async () => {
    const content = blob()
    expectStatus(await newRepository().post(`?digest=${content.digest()}`, content.bytes), 201)
  })

  must('the digest is the digest of the bytes: another -> 400 (or 202), and nothing is stored', async () => {
    const repository = newRepository()
    const wrong = unknownDigest()
    expectStatus(await repository.post(`?digest=${wrong}`, blob().bytes), 400, 202)
    expectStatus(await repository.get(`blobs/${wrong}`), 404)
  })

  should('a digest that is none -> 400', async () => {
    expectStatus(await newRepository().post('?digest=sha256:baddigeststring', blob().bytes), 400)
  })

  should('a digest of an unsupported algorithm -> 400', async () => {
    expectStatus(await newRepository().post(`?digest=md4:${'0'.repeat(32)}`, blob().bytes), 400)
  })

  beyond('a blob of zero bytes is stored', async () => {
    const repository = newRepository()
    expectStatus(await repository.post(`?digest=${NOTHING.digest()}`), 201)
    expectStatus(await repository.get(`blobs/${NOTHING.digest()}`), 200)
  })
})

describe('Digest algorithms of blobs:', () => {
  let repository: Repository
  let content: Content
  before(async () => {
    repository = newRepository()
    content = blob(5000)
  })

  beyond(
    'POST with digest-algorithm=sha512, then PUT with a sha512 digest -> 201, and it can be pulled',
    async () => {
      await repository.pushBlob(content, 'sha512')
      const answer = await repository.get(`blobs/${content.digest('sha512')}`)
      expectStatus(answer, 200)
      expectBytes(answer, content.bytes)
      expectHeader(answer, 'docker-content-digest', content.digest('sha512'))
    },
  )

  beyond('a blob pushed by sha512 is not found by its sha256', async () => {
    await repository.pushBlob(content, 'sha512')
    expectStatus(await repository.get(`blobs/${content.digest('sha256')}`), 404)
  })

  beyond('a blob pushed by sha256 is not found by its sha512', async () => {
    const other = await repository.pushBlob(blob())
    expectStatus(await repository.get(`blobs/${other.digest('sha512')}`), 404)
  })

  beyond('a blob pushed by both is found by both', async () => {
    const both = await repository.pushBlob(blob())
    await repository.pushBlob(both, 'sha512')
    expectStatus(await repository.head(`blobs/${both.digest('sha256')}`), 200)
    expectStatus(await repository.head(`blobs/${both.digest('sha512')}`), 200)
  })

  beyond('a single POST with a sha512 digest -> 201', async () => {
    const other = blob()
    expectStatus(await repository.post(`?digest=${other.digest('sha512')}`, other.bytes), 201)
    expectStatus(await repository.head(`blobs/${other.digest('sha512')}`), 200)
  })

  beyond('a PUT with a sha512 digest closes a session that was opened without digest-algorithm', async () => {
    const other = blob()
    expectStatus(await (await repository.begin()).put(other.digest('sha512'), other.bytes), 201)
    expectStatus(await repository.head(`blobs/${other.digest('sha512')}`), 200)
  })

  beyond('digest-algorithm=sha256 is the default spelled out', async () => {
    const other = blob()
    expectStatus(
      await (await repository.begin('?digest-algorithm=sha256')).put(other.digest(), other.bytes),
      201,
    )
  })

  should('an unsupported digest-algorithm -> 400', async () => {
    expectStatus(await repository.post('?digest-algorithm=md4'), 400)
  })

  should('a sha512 digest that the bytes do not have -> 400', async () => {
    expectStatus(
      await (await repository.begin('?digest-algorithm=sha512')).put(unknownDigest('sha512'), blob().bytes),
      400,
    )
  })
})

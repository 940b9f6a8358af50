import { expect } from 'chai'
import type { Answer } from './answer.ts'
import { blob, type Content } from './content.ts'
import { expectBytes, expectError, expectHeader, expectStatus } from './expect.ts'
import { type Repository, streamOf } from './repository.ts'
import type { Session } from './session.ts'
import { beyond, client, must, newRepository } from './suite.ts'

/** A session and a blob of three chunks for it. */
async function chunked(
  repository: Repository,
  query = '',
): Promise<{ session: Session; content: Content; size: number }> {
  const session = await repository.begin(query)
  const size = session.minimum
  return { session, content: blob(3 * size), size }
}

function chunk(content: Content, size: number, number: number): Buffer {
  return content.bytes.subarray(number * size, (number + 1) * size)
}

async function expectStored(repository: Repository, content: Content, closed: Answer): Promise<void> {
  expectStatus(closed, 201)
  expectBytes(await repository.get(`blobs/${content.digest()}`), content.bytes)
}

describe('Pushing a blob in chunks:', () => {
  let repository: Repository
  before(() => {
    repository = newRepository()
  })

  must('each chunk -> 202, Location, and Range up to its last byte', async () => {
    const { session, content, size } = await chunked(repository)
    for (const number of [0, 1, 2]) {
      const answer = await session.patch(chunk(content, size, number), number * size)
      expectStatus(answer, 202)
      expectHeader(answer, 'location', /./)
      expectHeader(answer, 'range', `0-${(number + 1) * size - 1}`)
    }
  })

  must(
    'a PUT without a body closes the session -> 201 and a Location from which the blob can be pulled',
    async () => {
      const { session, content, size } = await chunked(repository)
      for (const number of [0, 1, 2])
        expectStatus(await session.patch(chunk(content, size, number), number * size), 202)
      const answer = await session.put(content.digest())
      expectStatus(answer, 201)
      expectBytes(await client.get(answer.header('location') ?? ''), content.bytes)
    },
  )

  must('the last chunk may come in the closing PUT', async () => {
    const { session, content, size } = await chunked(repository)
    for (const number of [0, 1])
      expectStatus(await session.patch(chunk(content, size, number), number * size), 202)
    await expectStored(
      repository,
      content,
      await session.put(content.digest(), chunk(content, size, 2), 2 * size),
    )
  })

  beyond('the last chunk may come in the closing PUT without a Content-Range', async () => {
    const { session, content, size } = await chunked(repository)
    for (const number of [0, 1])
      expectStatus(await session.patch(chunk(content, size, number), number * size), 202)
    await expectStored(repository, content, await session.put(content.digest(), chunk(content, size, 2)))
  })

  must('the whole blob may come as one chunk', async () => {
    const { session, content } = await chunked(repository)
    expectStatus(await session.patch(content.bytes, 0), 202)
    await expectStored(repository, content, await session.put(content.digest()))
  })

  beyond('in chunks with digest-algorithm=sha512 -> 201', async () => {
    const { session, content, size } = await chunked(repository, '?digest-algorithm=sha512')
    for (const number of [0, 1, 2])
      expectStatus(await session.patch(chunk(content, size, number), number * size), 202)
    expectStatus(await session.put(content.digest('sha512')), 201)
    expectBytes(await repository.get(`blobs/${content.digest('sha512')}`), content.bytes)
  })

  beyond('streamed, without a length and a range -> 202, then closed -> 201', async () => {
    const content = blob(3_000_000)
    const session = await repository.begin()
    const answer = await session.patch(streamOf(content.bytes))
    expectStatus(answer, 202)
    expectHeader(answer, 'range', '0-2999999')
    await expectStored(repository, content, await session.put(content.digest()))
  })

  beyond('a PATCH with a length and without a range is appended', async () => {
    const { session, content, size } = await chunked(repository)
    for (const number of [0, 1, 2]) expectStatus(await session.patch(chunk(content, size, number)), 202)
    await expectStored(repository, content, await session.put(content.digest()))
  })

  beyond('a digest that the chunks do not have -> 400', async () => {
    const { session, content, size } = await chunked(repository)
    expectStatus(await session.patch(chunk(content, size, 0), 0), 202)
    expectError(await session.put(content.digest()), 400, 'DIGEST_INVALID')
    expectStatus(await repository.get(`blobs/${content.digest()}`), 404)
  })
})

describe('Pushing a blob out of order:', () => {
  let repository: Repository
  before(() => {
    repository = newRepository()
  })

  must('the first chunk does not begin with 0 -> 416', async () => {
    const { session, content, size } = await chunked(repository)
    expectStatus(await session.patch(chunk(content, size, 1), size), 416)
  })

  must('a chunk is left out -> 416', async () => {
    const { session, content, size } = await chunked(repository)
    expectStatus(await session.patch(chunk(content, size, 0), 0), 202)
    expectStatus(await session.patch(chunk(content, size, 2), 2 * size), 416)
  })

  must('a chunk comes twice -> 416', async () => {
    const { session, content, size } = await chunked(repository)
    expectStatus(await session.patch(chunk(content, size, 0), 0), 202)
    expectStatus(await session.patch(chunk(content, size, 0), 0), 416)
  })

  must('a chunk overlaps by one byte -> 416', async () => {
    const { session, content, size } = await chunked(repository)
    expectStatus(await session.patch(chunk(content, size, 0), 0), 202)
    expectStatus(await session.patch(content.bytes.subarray(size - 1, 2 * size), size - 1), 416)
  })

  must('the final chunk of the PUT is out of order -> 416', async () => {
    const { session, content, size } = await chunked(repository)
    expectStatus(await session.patch(chunk(content, size, 0), 0), 202)
    expectStatus(await session.put(content.digest(), chunk(content, size, 2), 2 * size), 416)
  })

  beyond('a 416 to PATCH has the Location and Range to go on from', async () => {
    const { session, content, size } = await chunked(repository)
    expectStatus(await session.patch(chunk(content, size, 0), 0), 202)
    const answer = await session.patch(chunk(content, size, 2), 2 * size)
    expectError(answer, 416, 'BLOB_UPLOAD_INVALID', 'SIZE_INVALID')
    expectHeader(answer, 'location', /./)
    expectHeader(answer, 'range', `0-${size - 1}`)
  })

  beyond('a 416 to PUT has the Location and Range to go on from', async () => {
    const { session, content, size } = await chunked(repository)
    expectStatus(await session.patch(chunk(content, size, 0), 0), 202)
    const answer = await session.put(content.digest(), chunk(content, size, 2), 2 * size)
    expectError(answer, 416, 'BLOB_UPLOAD_INVALID', 'SIZE_INVALID')
    expectHeader(answer, 'location', /./)
    expectHeader(answer, 'range', `0-${size - 1}`)
  })

  must('after a 416 the upload goes on where its status says', async () => {
    const { session, content, size } = await chunked(repository)
    expectStatus(await session.patch(chunk(content, size, 0), 0), 202)
    expectStatus(await session.patch(chunk(content, size, 2), 2 * size), 416)
    expectHeader(await session.status(), 'range', `0-${size - 1}`)
    expectStatus(await session.patch(chunk(content, size, 1), size), 202)
    expectStatus(await session.put(content.digest(), chunk(content, size, 1), size), 416)
    expectStatus(await session.status(), 204)
    await expectStored(
      repository,
      content,
      await session.put(content.digest(), chunk(content, size, 2), 2 * size),
    )
  })

  beyond(
    'a Content-Range of another length than the body -> 400 or 416, and nothing is appended',
    async () => {
      const { session, content, size } = await chunked(repository)
      expectStatus(await session.patch(chunk(content, size, 0), 0), 202)
      for (const end of [size, 3 * size]) {
        const headers = { 'content-type': 'application/octet-stream', 'content-range': `${size}-${end}` }
        expectStatus(
          await client.request('PATCH', session.location, { headers, body: chunk(content, size, 1) }),
          400,
          416,
        )
      }
      expectHeader(await session.status(), 'range', `0-${size - 1}`)
    },
  )

  beyond('two writers at one offset at once: one wins -> 202, the other -> 416', async () => {
    for (let round = 0; round < 5; round++) {
      const session = await repository.begin()
      const [one, two] = [blob(400_000), blob(400_000)]
      const headers = { 'content-type': 'application/octet-stream', 'content-range': '0-399999' }
      const send = (content: Content) =>
        client.request('PATCH', session.location, { headers, body: content.bytes })
      const answers = await Promise.all([send(one), send(two)])
      expect(answers.map(answer => answer.status).sort(), answers.join(' | ')).to.deep.equal([202, 416])
      const winner = answers[0]?.status === 202 ? one : two
      expectHeader(await session.status(), 'range', '0-399999')
      await expectStored(repository, winner, await session.put(winner.digest()))
    }
  })

  beyond('two closings of one session at once: at least one -> 201, and the blob is whole', async () => {
    const { session, content } = await chunked(repository)
    expectStatus(await session.patch(content.bytes, 0), 202)
    const close = () => client.request('PUT', session.closing(content.digest()), { body: Buffer.alloc(0) })
    const statuses = (await Promise.all([close(), close()])).map(answer => answer.status)
    expect(statuses).to.include(201)
    for (const status of statuses) expect(status).to.be.oneOf([201, 400, 404, 409, 416])
    expectBytes(await repository.get(`blobs/${content.digest()}`), content.bytes)
  })
})

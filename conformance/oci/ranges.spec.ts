import { expect } from 'chai'
import type { Answer } from './answer.ts'
import { blob, Content } from './content.ts'
import { expectBytes, expectHeader, expectStatus } from './expect.ts'
import type { Repository } from './repository.ts'
import { beyond, newRepository, should } from './suite.ts'

describe('Range of blobs:', () => {
  const SIZE = 10_000
  let repository: Repository
  let content: Content
  before(async () => {
    repository = newRepository()
    content = await repository.pushBlob(blob(SIZE))
  })

  const get = (range: string, headers: Record<string, string> = {}): Promise<Answer> =>
    repository.get(`blobs/${content.digest()}`, { range, ...headers })

  const parts: Record<string, [range: string, from: number, to: number]> = {
    'the first bytes': ['bytes=0-99', 0, 99],
    'one byte': ['bytes=0-0', 0, 0],
    'bytes in the middle': ['bytes=5000-5999', 5000, 5999],
    'the last byte': [`bytes=${SIZE - 1}-${SIZE - 1}`, SIZE - 1, SIZE - 1],
    'from a byte to the end': ['bytes=9000-', 9000, SIZE - 1],
    'a suffix': ['bytes=-500', SIZE - 500, SIZE - 1],
    'a suffix longer than the blob': ['bytes=-50000', 0, SIZE - 1],
    'an end behind the blob': ['bytes=9990-20000', 9990, SIZE - 1],
    'an end that fits no integer': ['bytes=9990-99999999999999999999999', 9990, SIZE - 1],
  }
  for (const [what, [range, from, to]] of Object.entries(parts)) {
    should(`${what} (${range}) -> 206 with Content-Range`, async () => {
      const answer = await get(range)
      expectStatus(answer, 206)
      expectHeader(answer, 'content-range', `bytes ${from}-${to}/${SIZE}`)
      expectHeader(answer, 'content-length', String(to - from + 1))
      expectBytes(answer, content.bytes.subarray(from, to + 1))
    })
  }

  for (const range of [
    `bytes=${SIZE}-`,
    `bytes=${SIZE + 5}-${SIZE + 9}`,
    'bytes=-0',
    'bytes=99999999999999999999999-',
  ]) {
    should(`a range outside the blob (${range}) -> 416 with the size`, async () => {
      const answer = await get(range)
      expectStatus(answer, 416)
      expectHeader(answer, 'content-range', `bytes */${SIZE}`)
    })
  }

  for (const range of [
    'bytes',
    'bytes=',
    'bytes=a-b',
    'bytes=5-2',
    'bytes=--5',
    'lines=0-5',
    '0-5',
    'bytes=1.5-2',
  ]) {
    should(`a Range that is none (${range}) is ignored -> 200, or refused -> 416`, async () => {
      const answer = await get(range)
      expectStatus(answer, 200, 416)
      if (answer.status === 200) expectBytes(answer, content.bytes)
    })
  }

  beyond('several ranges -> 200 with all, or 206', async () => {
    expectStatus(await get('bytes=0-1,5-6'), 200, 206)
  })

  beyond('hundreds of overlapping ranges are not multiplied', async () => {
    const answer = await get(`bytes=${Array.from({ length: 400 }, (_, n) => `${n}-`).join(',')}`)
    expectStatus(answer, 200, 206, 400, 416, 431)
    expect(answer.body.length).to.be.at.most(2 * SIZE)
  })

  should('HEAD ignores Range -> 200 and the whole size', async () => {
    const answer = await repository.head(`blobs/${content.digest()}`, { range: 'bytes=0-9' })
    expectStatus(answer, 200)
    expectHeader(answer, 'content-length', String(SIZE))
  })

  beyond('Accept-Ranges: bytes tells that ranges work', async () => {
    expectHeader(await repository.head(`blobs/${content.digest()}`), 'accept-ranges', 'bytes')
  })

  beyond('a 206 has the ETag and digest of the whole blob', async () => {
    const [whole, part] = [await repository.get(`blobs/${content.digest()}`), await get('bytes=0-9')]
    expectHeader(part, 'etag', whole.header('etag') ?? 'an ETag')
    expectHeader(part, 'docker-content-digest', content.digest())
  })

  beyond('If-Range with the ETag -> 206', async () => {
    const etag = (await repository.head(`blobs/${content.digest()}`)).header('etag') ?? 'missing'
    expectStatus(await get('bytes=0-9', { 'if-range': etag }), 206)
  })

  beyond('If-Range with another ETag -> 200 and the whole blob', async () => {
    const answer = await get('bytes=0-9', { 'if-range': '"other"' })
    expectStatus(answer, 200)
    expectBytes(answer, content.bytes)
  })

  beyond('a range of a blob of zero bytes -> 416 or 200', async () => {
    const nothing = await repository.pushBlob(new Content('application/octet-stream', ''))
    expectStatus(await repository.get(`blobs/${nothing.digest()}`, { range: 'bytes=0-' }), 200, 416)
  })
})

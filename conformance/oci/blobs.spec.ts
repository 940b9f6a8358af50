import { expect } from 'chai'
import { blob, type Content, unknownDigest } from './content.ts'
import { expectBytes, expectError, expectHeader, expectStatus } from './expect.ts'
import type { Repository } from './repository.ts'
import { beyond, must, newRepository } from './suite.ts'

describe('Pulling blobs:', () => {
  let repository: Repository
  let content: Content
  before(async () => {
    repository = newRepository()
    content = await repository.pushBlob(blob(70_000))
  })

  must('an existing blob -> 200 and its bytes', async () => {
    const answer = await repository.get(`blobs/${content.digest()}`)
    expectStatus(answer, 200)
    expectBytes(answer, content.bytes)
  })

  must('a successful answer has the digest in Docker-Content-Digest', async () => {
    expectHeader(await repository.get(`blobs/${content.digest()}`), 'docker-content-digest', content.digest())
  })

  must('a missing blob -> 404', async () => {
    expectStatus(await repository.get(`blobs/${unknownDigest()}`), 404)
  })

  must('a blob that only another repository has -> 404', async () => {
    const other = newRepository()
    await other.pushBlob(blob())
    expectStatus(await other.get(`blobs/${content.digest()}`), 404)
  })

  must('a blob of a repository that does not exist -> 404', async () => {
    expectStatus(await newRepository().get(`blobs/${content.digest()}`), 404)
  })

  beyond('a blob of 20 MiB comes back whole, with its exact Content-Length', async () => {
    const large = await repository.pushBlob(blob(20 * 1024 * 1024))
    const answer = await repository.get(`blobs/${large.digest()}`)
    expectHeader(answer, 'content-length', String(large.bytes.length))
    expectBytes(answer, large.bytes)
  })
})

describe('Checking if content exists (blobs):', () => {
  let repository: Repository
  let content: Content
  before(async () => {
    repository = newRepository()
    content = await repository.pushBlob(blob(3000))
  })

  must('HEAD of an existing blob -> 200 and no body', async () => {
    const answer = await repository.head(`blobs/${content.digest()}`)
    expectStatus(answer, 200)
    expect(answer.body.length).to.equal(0)
  })

  must('HEAD has the digest in Docker-Content-Digest', async () => {
    expectHeader(
      await repository.head(`blobs/${content.digest()}`),
      'docker-content-digest',
      content.digest(),
    )
  })

  must('HEAD has the size in Content-Length', async () => {
    expectHeader(await repository.head(`blobs/${content.digest()}`), 'content-length', '3000')
  })

  must('HEAD of a missing blob -> 404', async () => {
    expectStatus(await repository.head(`blobs/${unknownDigest()}`), 404)
  })
})

describe('Deleting blobs:', () => {
  let repository: Repository
  before(() => {
    repository = newRepository()
  })

  must('an existing blob -> 202 (400 or 405 where deletion is disabled)', async () => {
    const content = await repository.pushBlob(blob())
    expectStatus(await repository.delete(`blobs/${content.digest()}`), 202, 400, 405)
  })

  beyond('a deleted blob -> 404 at once', async () => {
    const content = await repository.pushBlob(blob())
    expectStatus(await repository.delete(`blobs/${content.digest()}`), 202)
    expectError(await repository.get(`blobs/${content.digest()}`), 404, 'BLOB_UNKNOWN')
    expectStatus(await repository.head(`blobs/${content.digest()}`), 404)
  })

  must('a missing blob -> 404', async () => {
    expectStatus(await repository.delete(`blobs/${unknownDigest()}`), 404)
  })

  must('a blob of a repository that does not exist -> 404', async () => {
    expectStatus(await newRepository().delete(`blobs/${unknownDigest()}`), 404)
  })

  beyond('a blob that another repository has too stays there', async () => {
    const other = newRepository()
    const content = await repository.pushBlob(blob())
    await other.pushBlob(content)
    expectStatus(await repository.delete(`blobs/${content.digest()}`), 202)
    expectBytes(await other.get(`blobs/${content.digest()}`), content.bytes)
  })

  beyond('a deleted blob can be pushed again', async () => {
    const content = await repository.pushBlob(blob())
    expectStatus(await repository.delete(`blobs/${content.digest()}`), 202)
    await repository.pushBlob(content)
    expectBytes(await repository.get(`blobs/${content.digest()}`), content.bytes)
  })
})

import { expect } from 'chai'
import { artifact, index, unknownDigest } from './content.ts'
import { expectBytes, expectError, expectStatus } from './expect.ts'
import type { Repository } from './repository.ts'
import { beyond, must, newRepository } from './suite.ts'

/** A repository without a manifest may be none any more. */
const GONE = ['MANIFEST_UNKNOWN', 'NAME_UNKNOWN'] as const

describe('Deleting tags:', () => {
  let repository: Repository
  beforeEach(async () => {
    repository = await newRepository().ready()
  })

  must('an existing tag -> 202 (400 or 405 where tag deletion is disabled)', async () => {
    await repository.push(artifact(), 'v1')
    expectStatus(await repository.delete('manifests/v1'), 202, 400, 405)
  })

  beyond('a deleted tag -> 404 at once, and it is not listed', async () => {
    await repository.push(artifact(), 'v1')
    expectStatus(await repository.delete('manifests/v1'), 202)
    expectError(await repository.get('manifests/v1'), 404, 'MANIFEST_UNKNOWN')
    expectStatus(await repository.head('manifests/v1'), 404)
    expect(await repository.tags()).to.deep.equal([])
  })

  beyond('the manifest and its other tags stay', async () => {
    const content = await repository.push(artifact(), 'v1')
    await repository.push(content, 'v2')
    expectStatus(await repository.delete('manifests/v1'), 202)
    expectBytes(await repository.get(`manifests/${content.digest()}`), content.bytes)
    expectBytes(await repository.get('manifests/v2'), content.bytes)
  })

  beyond('a missing tag -> 404', async () => {
    await repository.push(artifact(), 'v1')
    expectError(await repository.delete('manifests/v2'), 404, 'MANIFEST_UNKNOWN')
  })

  beyond('a deleted tag can be pushed again', async () => {
    await repository.push(artifact(), 'v1')
    expectStatus(await repository.delete('manifests/v1'), 202)
    const content = await repository.push(artifact(), 'v1')
    expectBytes(await repository.get('manifests/v1'), content.bytes)
  })
})

describe('Deleting manifests:', () => {
  let repository: Repository
  beforeEach(async () => {
    repository = await newRepository().ready()
  })

  must('an existing manifest -> 202 (400 or 405 where deletion is disabled)', async () => {
    const content = await repository.push(artifact())
    expectStatus(await repository.delete(`manifests/${content.digest()}`), 202, 400, 405)
  })

  beyond('a deleted manifest -> 404 at once', async () => {
    const content = await repository.push(artifact())
    expectStatus(await repository.delete(`manifests/${content.digest()}`), 202)
    expectError(await repository.get(`manifests/${content.digest()}`), 404, ...GONE)
    expectStatus(await repository.head(`manifests/${content.digest()}`), 404)
  })

  beyond('every tag that pointed to it -> 404, and is not listed; other tags stay', async () => {
    const content = await repository.push(artifact(), 'v1')
    await repository.push(content, 'v2')
    const kept = await repository.push(artifact(), 'kept')
    expectStatus(await repository.delete(`manifests/${content.digest()}`), 202)
    expectStatus(await repository.get('manifests/v1'), 404)
    expectStatus(await repository.get('manifests/v2'), 404)
    expectBytes(await repository.get('manifests/kept'), kept.bytes)
    expect(await repository.tags()).to.deep.equal(['kept'])
  })

  beyond('a manifest pushed by sha512 is deleted by that digest, with its tags', async () => {
    const content = artifact()
    expectStatus(await repository.put(content.digest('sha512'), content), 201)
    expectStatus(await repository.delete(`manifests/${content.digest('sha512')}`), 202)
    expectStatus(await repository.get(`manifests/${content.digest('sha512')}`), 404)
  })

  must('a repository that does not exist -> 404', async () => {
    expectStatus(await newRepository().delete(`manifests/${unknownDigest()}`), 404)
  })

  beyond('a missing manifest -> 404', async () => {
    expectError(await repository.delete(`manifests/${unknownDigest()}`), 404, ...GONE)
  })

  beyond('a manifest that another repository has too stays there', async () => {
    const other = await newRepository().ready()
    const content = await repository.push(artifact(), 'v1')
    await other.push(content, 'v1')
    expectStatus(await repository.delete(`manifests/${content.digest()}`), 202)
    expectBytes(await other.get('manifests/v1'), content.bytes)
  })

  beyond('an index is deleted, its manifests stay', async () => {
    const child = await repository.push(artifact())
    const content = await repository.push(index([child.descriptor()]))
    expectStatus(await repository.delete(`manifests/${content.digest()}`), 202)
    expectBytes(await repository.get(`manifests/${child.digest()}`), child.bytes)
  })

  beyond('a deleted manifest can be pushed again', async () => {
    const content = await repository.push(artifact(), 'v1')
    expectStatus(await repository.delete(`manifests/${content.digest()}`), 202)
    await repository.push(content, 'v1')
    expectBytes(await repository.get('manifests/v1'), content.bytes)
  })
})

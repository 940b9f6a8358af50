import { expect } from 'chai'
import { artifact, blob, unknownDigest } from './content.ts'
import { expectBytes, expectError, expectHeader, expectStatus } from './expect.ts'
import type { Repository } from './repository.ts'
import { beyond, newRepository } from './suite.ts'

describe('Caching:', () => {
  let repository: Repository
  let paths: Record<string, string>
  before(async () => {
    repository = await newRepository().ready()
    const content = await repository.push(artifact(), 'v1')
    const layer = await repository.pushBlob(blob())
    paths = {
      'a blob': `blobs/${layer.digest()}`,
      'a manifest by digest': `manifests/${content.digest()}`,
      'a manifest by tag': 'manifests/v1',
    }
  })

  for (const what of ['a blob', 'a manifest by digest', 'a manifest by tag']) {
    const path = () => paths[what] ?? ''

    beyond(`${what} has its quoted digest as ETag, on GET and HEAD`, async () => {
      const answer = await repository.get(path())
      expectHeader(answer, 'etag', `"${answer.header('docker-content-digest')}"`)
      expectHeader(await repository.head(path()), 'etag', answer.header('etag') ?? '')
    })

    for (const [form, value] of Object.entries({
      'its ETag': (etag: string) => etag,
      'a list with its ETag': (etag: string) => `"one", ${etag}`,
      'its ETag as a weak one': (etag: string) => `W/${etag}`,
      'a star': () => '*',
    })) {
      beyond(`${what}: If-None-Match with ${form} -> 304 without a body, with the ETag`, async () => {
        const etag = (await repository.head(path())).header('etag') ?? '"none"'
        const answer = await repository.get(path(), { 'if-none-match': value(etag) })
        expectStatus(answer, 304)
        expect(answer.body.length).to.equal(0)
        expectHeader(answer, 'etag', etag)
      })
    }

    beyond(`${what}: If-None-Match with another ETag -> 200`, async () => {
      expectStatus(await repository.get(path(), { 'if-none-match': '"other", "another"' }), 200)
    })
  }

  beyond(
    'what is asked by digest may be kept for ever: Cache-Control has immutable and a max-age',
    async () => {
      for (const what of ['a blob', 'a manifest by digest']) {
        const answer = await repository.get(paths[what] ?? '')
        expectHeader(answer, 'cache-control', /immutable/)
        expectHeader(answer, 'cache-control', /max-age=[1-9]\d{5,}/)
      }
    },
  )

  beyond('what is asked by tag may not be kept without asking again', async () => {
    const control = (await repository.get('manifests/v1')).header('cache-control') ?? ''
    expect(control).to.not.match(/immutable|max-age=[1-9]/)
  })

  beyond('an error may not be kept', async () => {
    for (const path of [`blobs/${unknownDigest()}`, `manifests/${unknownDigest()}`, 'manifests/missing']) {
      const control = (await repository.get(path)).header('cache-control') ?? ''
      expect(control).to.not.match(/immutable|max-age=[1-9]/)
    }
  })

  beyond('after a tag moved, its old ETag -> 200 and the new manifest', async () => {
    const first = await repository.push(artifact(), 'moving')
    const etag = (await repository.get('manifests/moving')).header('etag') ?? '"none"'
    const second = await repository.push(artifact(), 'moving')
    const answer = await repository.get('manifests/moving', { 'if-none-match': etag })
    expectStatus(answer, 200)
    expectBytes(answer, second.bytes)
    expectBytes(await repository.get(`manifests/${first.digest()}`), first.bytes)
  })

  beyond('a missing manifest with If-None-Match: * -> 404', async () => {
    expectError(await repository.get('manifests/missing', { 'if-none-match': '*' }), 404, 'MANIFEST_UNKNOWN')
  })
})

import { expect } from 'chai'
import { type Answer, ERROR_CODES, type ErrorCode } from './answer.ts'
import { artifact, blob, Content, config, image, OCI_MANIFEST, unknownDigest } from './content.ts'
import { expectHeader, expectStatus } from './expect.ts'
import type { Repository } from './repository.ts'
import { beyond, client, must, newRepository } from './suite.ts'

describe('Error codes:', () => {
  let repository: Repository
  before(async () => {
    repository = await newRepository().ready()
    await repository.push(artifact(), 'v1')
  })

  const cases: Record<string, [number, ErrorCode, () => Promise<Answer>]> = {
    'a missing blob': [404, 'BLOB_UNKNOWN', () => repository.get(`blobs/${unknownDigest()}`)],
    'a chunk out of order': [
      416,
      'BLOB_UPLOAD_INVALID',
      async () => (await repository.begin()).patch(blob().bytes, 512),
    ],
    'an unknown upload': [
      404,
      'BLOB_UPLOAD_UNKNOWN',
      () => repository.get('blobs/uploads/00000000-0000-4000-8000-000000000000'),
    ],
    'bytes of another digest': [
      400,
      'DIGEST_INVALID',
      async () => (await repository.begin()).put(unknownDigest(), blob().bytes),
    ],
    'a digest that is none': [400, 'DIGEST_INVALID', () => repository.get('blobs/sha256:abc')],
    'an image without its layer': [
      404,
      'MANIFEST_BLOB_UNKNOWN',
      async () =>
        repository.put(
          'v2',
          image({
            config: (await repository.pushBlob(config())).descriptor(),
            layers: [blob().descriptor()],
          }),
        ),
    ],
    'a manifest that is no JSON': [
      400,
      'MANIFEST_INVALID',
      () => repository.put('v2', new Content(OCI_MANIFEST, '{')),
    ],
    'a missing manifest': [404, 'MANIFEST_UNKNOWN', () => repository.get('manifests/missing')],
    'a name that is none': [400, 'NAME_INVALID', () => client.get('/v2/UPPER/tags/list')],
    'a name that is not known': [404, 'NAME_UNKNOWN', () => newRepository().get('tags/list')],
    'a chunk of another length than its range': [
      400,
      'SIZE_INVALID',
      async () => {
        const headers = { 'content-type': 'application/octet-stream', 'content-range': '0-99' }
        const { location } = await repository.begin()
        return client.request('PATCH', location, { headers, body: blob(2048).bytes })
      },
    ],
    'a method that is not allowed': [405, 'UNSUPPORTED', () => repository.delete('tags/list')],
  }

  for (const [what, [status, code, provoke]] of Object.entries(cases)) {
    // The spec's table says what a code means, and its sections say most statuses; neither makes the pair a MUST.
    beyond(`${what} -> ${code}`, async () => {
      const answer = await provoke()
      expect(answer.status, answer.toString()).to.be.within(400, 499)
      expect(answer.codes(), answer.toString()).to.include(code)
    })

    beyond(`${what} -> status ${status}`, async () => {
      expectStatus(await provoke(), status)
    })

    must(
      `${what}: a JSON body has the form {errors: [{code, message, detail}]}, with codes of the table only`,
      async () => {
        const answer = await provoke()
        if (answer.status < 400 || !/json/.test(answer.header('content-type') ?? '')) return
        const { errors } = answer.json() as { errors: { code: string; message?: unknown }[] }
        expect(errors).to.be.an('array').with.length.at.least(1)
        for (const error of errors) {
          expect(ERROR_CODES).to.include(error.code)
          if (error.message !== undefined) expect(error.message).to.be.a('string')
        }
      },
    )

    beyond(`${what}: the body is JSON, with a message and a detail`, async () => {
      const answer = await provoke()
      expectHeader(answer, 'content-type', /^application\/json/)
      const [error] = (answer.json() as { errors: { message: string; detail: unknown }[] }).errors
      expect(error?.message, answer.toString()).to.match(/./)
      if (status !== 405) expect(error, answer.toString()).to.have.property('detail')
    })
  }

  beyond('an error to HEAD has no body', async () => {
    const answer = await repository.head('manifests/missing')
    expectStatus(answer, 404)
    expect(answer.body.length).to.equal(0)
  })
})

describe('Endpoints:', () => {
  let repository: Repository
  before(async () => {
    repository = await newRepository().ready()
    await repository.push(artifact(), 'v1')
  })

  const others: [method: string, tail: () => string, allowed: RegExp][] = [
    ['POST', () => 'manifests/v1', /GET.*PUT|PUT.*GET/],
    ['PATCH', () => 'manifests/v1', /GET.*PUT|PUT.*GET/],
    ['PUT', () => `blobs/${unknownDigest()}`, /GET/],
    ['POST', () => `blobs/${unknownDigest()}`, /GET/],
    ['GET', () => 'blobs/uploads/', /POST/],
    ['DELETE', () => 'tags/list', /GET/],
    ['POST', () => 'tags/list', /GET/],
    ['PUT', () => `referrers/${unknownDigest()}`, /GET/],
    ['TRACE', () => 'manifests/v1', /GET/],
  ]
  for (const [method, tail, allowed] of others) {
    beyond(`${method} ${tail().replace(/:\w{64}/, ':…')} -> 405 with Allow`, async () => {
      const answer = await repository.request(method, tail())
      expectStatus(answer, 405)
      expectHeader(answer, 'allow', allowed)
    })
  }

  beyond('POST and DELETE of /v2/ -> 405 with Allow', async () => {
    for (const method of ['POST', 'DELETE']) {
      const answer = await client.request(method, '/v2/')
      expectStatus(answer, 405)
      expectHeader(answer, 'allow', /GET/)
    }
  })

  for (const path of [
    '/v3/',
    '/v2/nothing',
    '/v2/a/b/unknown/c',
    '/v2/a/manifests',
    '/v2/a/tags',
    '/v2/a/tags/list/more',
    '/v2/_unknown',
  ]) {
    beyond(`GET ${path} is no endpoint -> 404`, async () => {
      expectStatus(await client.get(path), 404)
    })
  }
})

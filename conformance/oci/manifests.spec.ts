import { expect } from 'chai'
import { artifact, OCI_MANIFEST, sizedArtifact, unknownDigest } from './content.ts'
import { expectBytes, expectError, expectHeader, expectStatus } from './expect.ts'
import { KINDS } from './kinds.ts'
import { beyond, client, must, newRepository, should } from './suite.ts'

describe('Pushing manifests:', () => {
  for (const [kind, make] of Object.entries(KINDS)) {
    // "A registry MAY reject a manifest with descriptors that reference a blob that does not exist": that one is no MUST.
    const level = /non-distributable/.test(kind) ? beyond : must
    level(
      `${kind} by tag -> 201, a pullable Location, and exactly its bytes come back by tag and digest`,
      async () => {
        const repository = await newRepository().ready()
        const content = await make(repository)
        const answer = await repository.put('v1', content)
        expectStatus(answer, 201)
        const location = answer.header('location') ?? ''
        for (const url of [
          location,
          repository.path('manifests/v1'),
          repository.path(`manifests/${content.digest()}`),
        ]) {
          const pulled = await client.get(url, { accept: content.mediaType })
          expectStatus(pulled, 200)
          expectBytes(pulled, content.bytes)
          expectHeader(pulled, 'content-type', content.mediaType)
        }
      },
    )
  }

  for (const kind of ['an image', 'an index of two images', 'an artifact', 'a Docker schema 2 manifest']) {
    const make = KINDS[kind] ?? (() => Promise.reject(new Error(kind)))
    must(`${kind} by digest -> 201, and no tag is made`, async () => {
      const repository = await newRepository().ready()
      const content = await make(repository)
      expectStatus(await repository.put(content.digest(), content), 201)
      expectBytes(await repository.get(`manifests/${content.digest()}`), content.bytes)
      expect(await repository.tags()).to.deep.equal([])
    })

    beyond(`${kind} by its sha512 digest -> 201, and it comes back by that`, async () => {
      const repository = await newRepository().ready()
      const content = await make(repository)
      const digest = content.digest('sha512')
      const answer = await repository.put(digest, content)
      expectStatus(answer, 201)
      expectHeader(answer, 'docker-content-digest', digest)
      const pulled = await repository.get(`manifests/${digest}`)
      expectBytes(pulled, content.bytes)
      expectHeader(pulled, 'docker-content-digest', digest)
    })
  }

  must('Docker-Content-Digest of the 201 equals the digest pushed to', async () => {
    const repository = await newRepository().ready()
    const content = artifact()
    expectHeader(await repository.put(content.digest(), content), 'docker-content-digest', content.digest())
  })

  must('a digest that the bytes do not have -> 400 DIGEST_INVALID', async () => {
    const repository = await newRepository().ready()
    const wrong = unknownDigest()
    expectError(await repository.put(wrong, artifact()), 400, 'DIGEST_INVALID')
    expectStatus(await repository.get(`manifests/${wrong}`), 404)
  })

  beyond('the same manifest and tag again -> 201', async () => {
    const repository = await newRepository().ready()
    const content = artifact()
    await repository.push(content, 'v1')
    await repository.push(content, 'v1')
    expect(await repository.tags()).to.deep.equal(['v1'])
  })

  beyond(
    'a tag moves to the manifest that is pushed last, and the first stays pullable by digest',
    async () => {
      const repository = await newRepository().ready()
      const [first, second] = [
        await repository.push(artifact(), 'v1'),
        await repository.push(artifact(), 'v1'),
      ]
      expectBytes(await repository.get('manifests/v1'), second.bytes)
      expectBytes(await repository.get(`manifests/${first.digest()}`), first.bytes)
    },
  )

  beyond('sixteen tags pushed at once are all there', async () => {
    const repository = await newRepository().ready()
    const tags = Array.from({ length: 16 }, (_, n) => `tag-${10 + n}`)
    await Promise.all(tags.map(tag => repository.push(artifact(), tag)))
    expect(await repository.tags()).to.deep.equal(tags)
  })

  beyond('one tag pushed eight times at once -> 201 each, and it names one of them', async () => {
    const repository = await newRepository().ready()
    const all = Array.from({ length: 8 }, () => artifact())
    await Promise.all(all.map(content => repository.push(content, 'v1')))
    const pulled = await repository.get('manifests/v1')
    expect(all.some(content => content.bytes.equals(pulled.body))).to.equal(true)
  })

  should('parameters on Content-Type are ignored, and not sent back', async () => {
    const repository = await newRepository().ready()
    const content = artifact()
    expectStatus(
      await repository.put('v1', content, { 'content-type': `${OCI_MANIFEST}; charset=utf-8` }),
      201,
    )
    expectHeader(await repository.get('manifests/v1'), 'content-type', OCI_MANIFEST)
  })

  should('a manifest of 4 MiB -> 201, and it comes back', async () => {
    const repository = await newRepository().ready()
    const content = sizedArtifact(4 * 1024 * 1024)
    expectStatus(await repository.put('large', content), 201)
    expectBytes(await repository.get('manifests/large'), content.bytes)
  })

  should('a manifest above the limit of the registry -> 413', async () => {
    const repository = await newRepository().ready()
    let status = 201
    for (let mebibytes = 4; status === 201 && mebibytes <= 64; mebibytes *= 2) {
      status = (await repository.put('larger', sizedArtifact(mebibytes * 1024 * 1024 + 1))).status
    }
    expect(status).to.equal(413)
  })

  for (const tag of ['a', '0', '_', 'A.b-c_D', `_${'x'.repeat(127)}`, 'sha256-1', 'latest']) {
    must(`the tag ${tag.length > 20 ? `of ${tag.length} characters` : tag} is one -> 201`, async () => {
      const repository = await newRepository().ready()
      const content = await repository.push(artifact(), tag)
      expectBytes(await repository.get(`manifests/${tag}`), content.bytes)
    })
  }

  async function pushUnder(name: string): Promise<void> {
    const repository = await Object.assign(newRepository(), {
      name: `${newRepository().name}/${name}`,
    }).ready()
    const content = await repository.push(artifact(), 'v1')
    expectBytes(await repository.get('manifests/v1'), content.bytes)
    expect(await repository.tags()).to.deep.equal(['v1'])
  }

  for (const name of ['0', 'a/b/c/d/e/f', 'a.b_c__d-e---f', `x${'y'.repeat(120)}`]) {
    must(`the name ${name.length > 20 ? `of ${name.length} characters` : name} is one -> 201`, () =>
      pushUnder(name),
    )
  }
  for (const name of ['blobs/uploads', 'manifests/tags', 'v2/blobs', 'tags/list', 'referrers/catalog']) {
    beyond(`the name ${name}, made of the API's own words, is one -> 201`, () => pushUnder(name))
  }
})

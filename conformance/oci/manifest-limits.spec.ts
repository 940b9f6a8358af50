import { expect } from 'chai'
import {
  artifact,
  blob,
  Content,
  config,
  image,
  index,
  OCI_INDEX,
  OCI_MANIFEST,
  randomWord,
  unknownDigest,
} from './content.ts'
import { expectBytes, expectError, expectHeader, expectStatus } from './expect.ts'
import type { Repository } from './repository.ts'
import { beyond, must, newRepository } from './suite.ts'

describe('Pushing manifests that refer to missing content:', () => {
  const cases: Record<string, (repository: Repository) => Promise<Content>> = {
    'a config': async to =>
      image({ config: config().descriptor(), layers: [(await to.pushBlob(blob())).descriptor()] }),
    'a layer': async to =>
      image({ config: (await to.pushBlob(config())).descriptor(), layers: [blob().descriptor()] }),
    'a manifest of an index': async () => index([artifact().descriptor()]),
    'a layer that only another repository has': async to => {
      const other = newRepository()
      const layer = await other.pushBlob(blob())
      return image({ config: (await to.pushBlob(config())).descriptor(), layers: [layer.descriptor()] })
    },
  }
  for (const [what, make] of Object.entries(cases)) {
    must(`${what} is missing -> 201, or an error MANIFEST_BLOB_UNKNOWN`, async () => {
      const repository = newRepository()
      const answer = await repository.put('v1', await make(repository))
      if (answer.status !== 201) expectError(answer, answer.status, 'MANIFEST_BLOB_UNKNOWN')
    })
  }

  beyond('an image whose layer is missing is refused, and its tag is not made', async () => {
    const repository = newRepository()
    const content = image({
      config: (await repository.pushBlob(config())).descriptor(),
      layers: [blob().descriptor()],
    })
    const answer = await repository.put('v1', content)
    expectStatus(answer, 400, 404)
    expectError(answer, answer.status, 'MANIFEST_BLOB_UNKNOWN')
    expectStatus(await repository.get('manifests/v1'), 404)
  })
})

describe('Pushing manifests with tag parameters:', () => {
  async function pushTags(tags: string[], algorithm: 'sha256' | 'sha512' = 'sha256') {
    const repository = await newRepository().ready()
    const content = artifact()
    const query = tags.map(tag => `tag=${encodeURIComponent(tag)}`).join('&')
    return {
      repository,
      content,
      answer: await repository.put(`${content.digest(algorithm)}?${query}`, content),
    }
  }

  for (const count of [1, 10, 25]) {
    beyond(`${count} tags -> 201, each in OCI-Tag, each pullable`, async () => {
      const tags = Array.from({ length: count }, (_, n) => `t${100 + n}`)
      const { repository, content, answer } = await pushTags(tags)
      expectStatus(answer, 201)
      expect((answer.header('oci-tag') ?? '').split(/\s*,\s*/).sort()).to.deep.equal(tags)
      for (const tag of tags) expectBytes(await repository.get(`manifests/${tag}`), content.bytes)
      expect(await repository.tags()).to.deep.equal(tags)
    })
  }

  must('an accepted tag is named in OCI-Tag: a tag that is there has been named', async () => {
    const { repository, answer } = await pushTags(['one', 'two'])
    expectStatus(answer, 201)
    const named = (answer.header('oci-tag') ?? '').split(/\s*,\s*/).filter(Boolean)
    expect((await repository.tags()).sort()).to.deep.equal(named.sort())
  })

  beyond('with a sha512 digest -> 201, and the tag gives that digest', async () => {
    const { repository, content, answer } = await pushTags(['strong'], 'sha512')
    expectStatus(answer, 201)
    expectHeader(await repository.head('manifests/strong'), 'docker-content-digest', content.digest('sha512'))
  })

  beyond('one invalid tag among good ones -> 400, and none is made', async () => {
    const { repository, answer } = await pushTags(['good', '.bad', 'fine'])
    expectStatus(answer, 400)
    expectStatus(await repository.get('manifests/good'), 404)
  })

  beyond('a digest that the bytes do not have -> 400, and no tag is made', async () => {
    const repository = await newRepository().ready()
    expectStatus(await repository.put(`${unknownDigest()}?tag=v1`, artifact()), 400)
    expectStatus(await repository.get('manifests/v1'), 404)
  })
})

describe('Type confusion:', () => {
  async function refused(value: object, type: string): Promise<void> {
    const repository = await newRepository().ready()
    const answer = await repository.put('v1', new Content(type, JSON.stringify(value)))
    expectError(answer, 400, 'MANIFEST_INVALID', 'MANIFEST_BLOB_UNKNOWN')
    expectStatus(await repository.get('manifests/v1'), 404)
  }
  const own = () => JSON.parse(artifact().bytes.toString())

  beyond('an image with manifests besides its layers -> 400', () =>
    refused({ ...own(), manifests: [] }, OCI_MANIFEST),
  )
  beyond('an index with layers besides its manifests -> 400', () =>
    refused({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [], layers: [] }, OCI_INDEX),
  )
  beyond('an index with a config besides its manifests -> 400', () =>
    refused({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [], config: own().config }, OCI_INDEX),
  )
  beyond('an image without mediaType pushed as an index -> 400', () =>
    refused({ ...own(), mediaType: undefined }, OCI_INDEX),
  )
  beyond('an index without mediaType pushed as an image -> 400', () =>
    refused({ schemaVersion: 2, manifests: [] }, OCI_MANIFEST),
  )
  beyond('mediaType says image, Content-Type says index -> 400', () => refused(own(), OCI_INDEX))
  beyond('mediaType says index, Content-Type says image -> 400', () =>
    refused({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }, OCI_MANIFEST),
  )

  beyond('a blob that looks like a manifest is no manifest -> 404', async () => {
    const repository = await newRepository().ready()
    const content = await repository.pushBlob(artifact({ annotations: { nonce: randomWord() } }))
    expectStatus(await repository.get(`manifests/${content.digest()}`), 404)
  })
})

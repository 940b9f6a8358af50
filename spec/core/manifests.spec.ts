import { expect } from 'chai'
import { digestOf } from '../../src/oci/digest.ts'
import { DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { EMPTY, imageIndex } from '../support/oci.ts'
import { refusal } from '../support/refusal.ts'
import { type CoreRegistry, registries, repo, tag } from '../support/registry.ts'

const ABSENT = { mediaType: 'application/octet-stream', digest: digestOf('not here'), size: 8 }
const A = repo('a')

describe('core/manifests', () => {
  const open = registries()
  let registry: CoreRegistry

  beforeEach(async () => {
    registry = await open()
  })

  const tagsAt = async () => {
    const digests: Record<string, string> = {}
    for (const name of await registry.tags('a')) digests[name] = (await registry.manifest('a', name)).digest
    return digests
  }
  const image = async (content: string, reference?: string, more: object = {}) =>
    await registry.pushImage('a', reference, [await registry.pushBlob('a', content)], more)

  describe('put and get', () => {
    it('gives the bytes back as they were, by tag and by digest', async () => {
      const bytes = Buffer.from(` {"schemaVersion":2,\n"layers":[],"config":${JSON.stringify(EMPTY)} }\n`)
      await registry.pushBlob('a', '{}')
      const { digest } = await registry.manifests.put(A, tag('v1'), bytes, OCI_MANIFEST)
      expect(digest).to.equal(digestOf(bytes))
      for (const reference of [tag('v1'), digest]) {
        const stored = await registry.manifests.get(A, reference)
        expect(stored).to.include({ digest, mediaType: OCI_MANIFEST })
        expect(Buffer.from(stored.bytes)).to.deep.equal(bytes)
      }
    })

    it('keeps the media type that it came with', async () => {
      await registry.pushBlob('a', '{}')
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, config: EMPTY, layers: [] }))
      const { digest } = await registry.manifests.put(A, tag('v1'), bytes, DOCKER_MANIFEST)
      expect((await registry.manifests.get(A, digest)).mediaType).to.equal(DOCKER_MANIFEST)
    })

    it('knows a manifest by the algorithm that it was pushed with', async () => {
      await registry.pushBlob('a', '{}')
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, config: EMPTY, layers: [] }))
      const by512 = digestOf(bytes, 'sha512')
      expect((await registry.manifests.put(A, by512, bytes, OCI_MANIFEST)).digest).to.equal(by512)
      expect((await registry.manifests.get(A, by512)).digest).to.equal(by512)
      expect(await refusal(registry.manifests.get(A, digestOf(bytes)))).to.equal('MANIFEST_UNKNOWN')
    })

    it('refuses a digest that is not that of the bytes', async () => {
      await registry.pushBlob('a', '{}')
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, config: EMPTY, layers: [] }))
      const put = registry.manifests.put(A, digestOf('other'), bytes, OCI_MANIFEST)
      expect(await refusal(put)).to.equal('DIGEST_INVALID')
    })

    it('sets up to many tags with a digest', async () => {
      const tags = Array.from({ length: 20 }, (_, i) => tag(`t${10 + i}`))
      const { digest } = await registry.pushImage('a', undefined, [], {}, { tags })
      expect(await tagsAt()).to.deep.equal(Object.fromEntries(tags.map(name => [name, digest])))
    })

    it('moves a tag, and leaves the manifest that it was on', async () => {
      const first = await image('1', 'latest')
      const second = await image('2', 'latest')
      expect(await tagsAt()).to.deep.equal({ latest: second.digest })
      expect((await registry.manifest('a', first.digest)).digest).to.equal(first.digest)
    })

    it('tells apart what is not there', async () => {
      expect(await refusal(registry.manifests.get(A, tag('v1')))).to.equal('NAME_UNKNOWN')
      await image('1', 'v1')
      expect(await refusal(registry.manifests.get(A, tag('v2')))).to.equal('MANIFEST_UNKNOWN')
      expect(await refusal(registry.manifests.get(A, digestOf('x')))).to.equal('MANIFEST_UNKNOWN')
      expect(await refusal(registry.manifests.get(repo('b'), tag('v1')))).to.equal('NAME_UNKNOWN')
    })

    it('of the same again changes nothing', async () => {
      await image('1', 'v1')
      const rows = async () =>
        JSON.stringify(await registry.index.page({ prefix: 'manifest', encoding: 'json' }, []))
      const before = await rows()
      await image('1', 'v1')
      expect(await rows()).to.equal(before)
    })
  })

  describe('references', () => {
    it('must be in the repository: layers, config, manifests of an index', async () => {
      const elsewhere = await registry.pushBlob('b', 'elsewhere')
      const child = await registry.pushImage('b', 'v1', [])
      for (const document of [
        { schemaVersion: 2, config: EMPTY, layers: [ABSENT] },
        { schemaVersion: 2, config: EMPTY, layers: [elsewhere] },
        { schemaVersion: 2, config: ABSENT, layers: [] },
        { schemaVersion: 2, config: elsewhere, layers: [] },
        { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [{ ...ABSENT, mediaType: OCI_MANIFEST }] },
        { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [child] },
      ]) {
        await registry.pushBlob('a', '{}')
        expect(await refusal(registry.pushManifest('a', 'v1', document))).to.equal('MANIFEST_BLOB_UNKNOWN')
      }
      expect((await registry.discovery.repositories(10)).items).to.deep.equal(['b'])
    })

    it('that are missing are named', async () => {
      const error = await registry.pushImage('a', 'v1', [ABSENT]).catch((cause: unknown) => cause)
      expect(error).to.have.deep.property('detail', [{ digest: ABSENT.digest, mediaType: ABSENT.mediaType }])
    })

    it('may be missing where the layer is not for distribution, or the subject', async () => {
      const foreign = { ...ABSENT, mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar' }
      await registry.pushImage('a', 'v1', [foreign])
      await registry.pushImage('a', 'v2', [], { subject: { ...ABSENT, mediaType: OCI_MANIFEST } })
    })

    it('may all be missing where the settings say so', async () => {
      const sparse = await open({ policy: { sparseManifests: true } })
      await sparse.pushImage('a', 'v1', [ABSENT])
      const index = JSON.parse(imageIndex([{ ...ABSENT, mediaType: OCI_MANIFEST }]).toString()) as object
      await sparse.pushManifest('a', 'v2', index)
      expect(await sparse.tags('a')).to.deep.equal(['v1', 'v2'])
    })

    it('may be nested indexes', async () => {
      const child = await image('1')
      const inner = await registry.pushManifest('a', undefined, {
        schemaVersion: 2,
        mediaType: OCI_INDEX,
        manifests: [child],
      })
      await registry.pushManifest('a', 'v1', { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [inner] })
    })

    it('that go while the manifest comes in do not slip through', async () => {
      const layer = await registry.pushBlob('a', 'slippery')
      await registry.pushBlob('a', '{}')
      const outcomes = await Promise.all([
        refusal(registry.pushImage('a', 'v1', [layer])),
        refusal(registry.blobs.delete(A, layer.digest)),
      ])
      expect(outcomes[1]).to.equal('nothing: it went well')
      expect(outcomes[0]).to.be.oneOf(['nothing: it went well', 'MANIFEST_BLOB_UNKNOWN'])
    })
  })

  describe('what is refused', () => {
    it('leaves no row behind', async () => {
      await registry.pushBlob('a', '{}')
      const { batches } = registry.level.counts
      for (const work of [
        registry.pushManifest('a', 'v1', { schemaVersion: 1 }),
        registry.pushManifest('a', 'v1', { schemaVersion: 2, config: EMPTY, layers: [ABSENT] }),
        registry.pushManifest('a', 'v1', { schemaVersion: 2, config: EMPTY, layers: [] }, { ifMatch: ['*'] }),
      ]) {
        expect(await refusal(work)).not.to.match(/went well/)
      }
      expect(registry.level.counts.batches).to.equal(batches)
    })
  })

  describe('delete', () => {
    it('of a tag leaves the manifest and its other tags', async () => {
      const { digest } = await image('1', 'v1')
      await image('1', 'v2')
      await registry.manifests.delete(A, tag('v1'))
      expect(await tagsAt()).to.deep.equal({ v2: digest })
      await registry.manifests.delete(A, tag('v2'))
      expect((await registry.manifest('a', digest)).digest).to.equal(digest)
    })

    it('of a manifest removes its tags, and no others', async () => {
      const first = await image('1', 'v1')
      await image('1', 'also')
      const second = await image('2', 'v2')
      await registry.manifests.delete(A, first.digest)
      expect(await tagsAt()).to.deep.equal({ v2: second.digest })
      expect(await refusal(registry.manifests.get(A, first.digest))).to.equal('MANIFEST_UNKNOWN')
    })

    it('of the last manifest removes the repository', async () => {
      const { digest } = await image('1', 'v1')
      await registry.manifests.delete(A, digest)
      expect((await registry.discovery.repositories(10)).items).to.deep.equal([])
      expect(await refusal(registry.manifests.get(A, digest))).to.equal('NAME_UNKNOWN')
    })

    it('of a referrer takes it out of the list of its subject', async () => {
      const subject = await image('1', 'v1')
      const [one, two] = [
        await image('2', undefined, { subject, artifactType: 'a/one' }),
        await image('3', undefined, { subject, artifactType: 'a/two' }),
      ]
      const referrers = async (artifactType?: string) =>
        (await registry.discovery.referrers(A, subject.digest, 100, { artifactType })).items.map(
          ({ digest }) => digest,
        )
      expect(await referrers()).to.have.members([one.digest, two.digest])
      await registry.manifests.delete(A, one.digest)
      expect(await referrers()).to.deep.equal([two.digest])
      expect(await referrers('a/one')).to.deep.equal([])
    })

    it('of a subject leaves its referrers', async () => {
      const subject = await image('1', 'v1')
      const referrer = await image('2', undefined, { subject })
      await registry.manifests.delete(A, subject.digest)
      expect((await registry.manifest('a', referrer.digest)).digest).to.equal(referrer.digest)
      const { items } = await registry.discovery.referrers(A, subject.digest, 100, {})
      expect(items.map(({ digest }) => digest)).to.deep.equal([referrer.digest])
    })

    it('of what is not there says so', async () => {
      expect(await refusal(registry.manifests.delete(A, tag('v1')))).to.equal('NAME_UNKNOWN')
      expect(await refusal(registry.manifests.delete(A, digestOf('x')))).to.equal('NAME_UNKNOWN')
      await image('1', 'v1')
      expect(await refusal(registry.manifests.delete(A, tag('v2')))).to.equal('MANIFEST_UNKNOWN')
      expect(await refusal(registry.manifests.delete(A, digestOf('x')))).to.equal('MANIFEST_UNKNOWN')
    })

    it('works once for each', async () => {
      const { digest } = await image('1', 'v1')
      await image('2', 'v2')
      const outcomes = await Promise.all([1, 2, 3].map(() => refusal(registry.manifests.delete(A, digest))))
      expect(outcomes.sort()).to.deep.equal(['MANIFEST_UNKNOWN', 'MANIFEST_UNKNOWN', 'nothing: it went well'])
    })

    it('leaves nothing of a manifest in any table but the blobs', async () => {
      const subject = await image('1', 'v1')
      const referrer = await image('2', 'v2', { subject })
      await registry.manifests.delete(A, referrer.digest)
      await registry.manifests.delete(A, subject.digest)
      for (const prefix of [
        'repository',
        'manifest',
        'bytes',
        'tag',
        'tagged',
        'referrer',
        'referrer-type',
      ]) {
        expect(await registry.index.page({ prefix, encoding: 'bytes' }, []), prefix).to.deep.equal([])
      }
    })
  })

  describe('conditions', () => {
    const outcome = (work: Promise<unknown>) => refusal(work)

    it('If-None-Match: * lets a tag be made, and not moved', async () => {
      const first = await registry.pushImage('a', 'v1', [], {}, { ifNoneMatch: ['*'] })
      const again = registry.pushImage('a', 'v1', [], { artifactType: 'a/b' }, { ifNoneMatch: ['*'] })
      expect(await outcome(again)).to.equal('PRECONDITION_FAILED')
      expect(await tagsAt()).to.deep.equal({ v1: first.digest })
    })

    it('If-Match lets a tag be moved from where it is said to be', async () => {
      const first = await image('1', 'v1')
      const second = await registry.pushImage('a', 'v1', [], {}, { ifMatch: [first.digest] })
      const late = registry.pushImage('a', 'v1', [], { artifactType: 'a/b' }, { ifMatch: [first.digest] })
      expect(await outcome(late)).to.equal('PRECONDITION_FAILED')
      expect(await tagsAt()).to.deep.equal({ v1: second.digest })
    })

    it('If-Match takes one of several, and * for any', async () => {
      const first = await image('1', 'v1')
      await registry.pushImage('a', 'v1', [], {}, { ifMatch: [digestOf('x'), first.digest] })
      await registry.pushImage('a', 'v1', [], {}, { ifMatch: ['*'] })
      expect(await outcome(registry.pushImage('a', 'v2', [], {}, { ifMatch: ['*'] }))).to.equal(
        'PRECONDITION_FAILED',
      )
      expect(await outcome(registry.pushImage('a', 'v1', [], {}, { ifMatch: [] }))).to.equal(
        'PRECONDITION_FAILED',
      )
    })

    it('If-None-Match with a digest lets a tag be moved from any other', async () => {
      const first = await image('1', 'v1')
      const moved = registry.pushImage('a', 'v1', [], {}, { ifNoneMatch: [first.digest] })
      expect(await outcome(moved)).to.equal('PRECONDITION_FAILED')
      await registry.pushImage('a', 'v1', [], {}, { ifNoneMatch: [digestOf('x')] })
    })

    it('guard the removal of a tag too', async () => {
      const first = await image('1', 'v1')
      const ifMatch = [digestOf('x')]
      expect(await outcome(registry.manifests.delete(A, tag('v1'), { ifMatch }))).to.equal(
        'PRECONDITION_FAILED',
      )
      await registry.manifests.delete(A, tag('v1'), { ifMatch: [first.digest] })
      expect(await registry.tags('a')).to.deep.equal([])
    })

    it('say where the tag is', async () => {
      const { digest } = await image('1', 'v1')
      const error = await registry
        .pushImage('a', 'v1', [], {}, { ifNoneMatch: ['*'] })
        .catch((cause: unknown) => cause)
      expect(error).to.have.deep.property('detail', { tag: 'v1', current: digest })
    })

    it('let no update of eight concurrent writers be lost', async () => {
      const annotation = 'count'
      const read = async () => {
        const { digest, annotations } = await registry.manifest('a', 'v1')
        return { digest, count: Number((annotations as Record<string, string>)[annotation]) }
      }
      await registry.pushImage('a', 'v1', [], { annotations: { [annotation]: '0' } })
      let refused = 0
      const writer = async (name: number) => {
        for (let done = 0; done < 5; ) {
          const { digest, count } = await read()
          const annotations = { [annotation]: `${count + 1}`, name: `${name}` }
          const result = await refusal(
            registry.pushImage('a', 'v1', [], { annotations }, { ifMatch: [digest] }),
          )
          if (result === 'PRECONDITION_FAILED') refused++
          else {
            expect(result).to.equal('nothing: it went well')
            done++
          }
        }
      }
      await Promise.all(Array.from({ length: 8 }, (_, i) => writer(i)))
      expect((await read()).count).to.equal(40)
      expect(refused).to.be.above(0)
    })

    it('let one of eight writers make a tag', async () => {
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, (_, i) =>
          refusal(registry.pushImage('a', 'v1', [], { artifactType: `a/${i}` }, { ifNoneMatch: ['*'] })),
        ),
      )
      expect(outcomes.filter(text => text === 'nothing: it went well')).to.have.length(1)
      expect(outcomes.filter(text => text === 'PRECONDITION_FAILED')).to.have.length(7)
    })
  })

  it('takes a container image for what it is', async () => {
    const config = await registry.pushBlob('a', '{"architecture":"amd64","os":"linux"}', OCI_CONFIG)
    await image('layer', 'v1', { config })
    expect(await registry.names()).to.deep.equal([])
  })
})

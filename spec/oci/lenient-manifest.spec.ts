import { expect } from 'chai'
import fc from 'fast-check'
import { digestOf } from '../../src/oci/digest.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { parseLenientManifest } from '../../src/oci/lenient-manifest.ts'
import { artifactTypeOf, blobsOf, childrenOf, descriptorsOf, parseManifest } from '../../src/oci/manifest.ts'
import { MANIFEST_LIMITS } from '../../src/oci/manifest-limits.ts'
import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'

const CONFIG = { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf('{}'), size: 2 }
const LAYER = { mediaType: 'text/plain; charset=utf-8', digest: digestOf('abc'), size: 3 }
const CHILD = { mediaType: OCI_MANIFEST, digest: digestOf('child'), size: 5 }
const ARTIFACT = 'application/vnd.oci.artifact.manifest.v1+json'

const image = (more: object = {}) => ({ schemaVersion: 2, config: CONFIG, layers: [LAYER], ...more })
const parse = (document: unknown, contentType?: string) =>
  parseLenientManifest(
    Buffer.from(typeof document === 'string' ? document : JSON.stringify(document)),
    contentType,
    MANIFEST_LIMITS,
  )
const named = (document: unknown, contentType?: string) =>
  descriptorsOf(parse(document, contentType)).map(({ digest }) => digest)

describe('oci/lenient-manifest', () => {
  describe('the media type', () => {
    const CASES: [what: string, document: object, contentType: string | undefined, mediaType: string][] = [
      ['that the upstream sends', image(), DOCKER_MANIFEST, DOCKER_MANIFEST],
      ['that the upstream sends, with parameters', image(), `${OCI_MANIFEST}; q=1`, OCI_MANIFEST],
      [
        'that the document states',
        image({ mediaType: DOCKER_MANIFEST }),
        'application/json',
        DOCKER_MANIFEST,
      ],
      [
        'of the header rather than of the document',
        image({ mediaType: OCI_INDEX }),
        OCI_MANIFEST,
        OCI_MANIFEST,
      ],
      ['of an image by its fields', image(), 'application/json; charset=utf-8', OCI_MANIFEST],
      ['of an index by its fields', { manifests: [CHILD] }, 'text/plain', OCI_INDEX],
      ['of an object with nothing in it', {}, undefined, OCI_MANIFEST],
      ['that is no manifest’s', { blobs: [LAYER] }, ARTIFACT, ARTIFACT],
      ['null', image({ mediaType: null }), undefined, OCI_MANIFEST],
    ]
    for (const [what, document, contentType, mediaType] of CASES) {
      it(`is the one ${what}`, () => {
        const manifest = parse(document, contentType)
        expect(manifest.mediaType).to.equal(mediaType)
        // What is stored is read with the media type that it was understood by.
        expect(parse(document, mediaType)).to.deep.equal(manifest)
      })
    }

    it('is not guessed for a document of both kinds', () => {
      const both = image({ manifests: [CHILD] })
      expect(() => parse(both, 'application/json')).to.throw(
        RegistryError,
        /fields of an image and of an index/,
      )
      expect(named(both, OCI_MANIFEST)).to.deep.equal([CONFIG.digest, LAYER.digest])
      expect(named(both, OCI_INDEX)).to.deep.equal([CHILD.digest])
    })
  })

  describe('what is not as it should be', () => {
    const CASES: [what: string, document: unknown, named: string[]][] = [
      ['missing layers', { config: CONFIG }, [CONFIG.digest]],
      ['null for layers', image({ layers: null }), [CONFIG.digest]],
      [
        'null for all',
        { config: null, layers: [null], annotations: null, subject: null, artifactType: null },
        [],
      ],
      [
        'empty strings',
        image({ artifactType: '', layers: [{ ...LAYER, mediaType: '' }] }),
        [CONFIG.digest, LAYER.digest],
      ],
      ['no schemaVersion, or another', image({ schemaVersion: '1' }), [CONFIG.digest, LAYER.digest]],
      [
        'layers without a digest, or with none that is one',
        image({ layers: [{ size: 1 }, { ...LAYER, digest: 'sha256:1' }, 7] }),
        [CONFIG.digest],
      ],
      [
        'a subject without a size',
        image({ subject: { digest: CHILD.digest } }),
        [CONFIG.digest, LAYER.digest, CHILD.digest],
      ],
      ['an empty platform', { manifests: [{ ...CHILD, platform: {} }] }, [CHILD.digest]],
      [
        'a name that stands twice',
        JSON.stringify(image({ annotations: { a: 'b' } })).replace('"a":"b"', '"a":"b","a":"c"'),
        [CONFIG.digest, LAYER.digest],
      ],
    ]
    for (const [what, document, digests] of CASES)
      it(`is absent: ${what}`, () => expect(named(document)).to.deep.equal(digests))

    it('is absent among annotations, types and sizes as well', () => {
      const manifest = parse(
        image({
          annotations: { a: 'b', c: 1, d: null },
          artifactType: 'a\u0000b',
          layers: [{ digest: LAYER.digest, size: '3' }],
        }),
      )
      expect(manifest.annotations).to.deep.equal({ a: 'b' })
      expect(artifactTypeOf(manifest)).to.equal(CONFIG.mediaType)
      expect(blobsOf(manifest)[1]).to.deep.equal({
        mediaType: 'application/octet-stream',
        digest: LAYER.digest,
        size: -1,
      })
    })
  })

  it('finds all that a manifest of another type names', () => {
    const manifest = parse(
      { ...image(), blobs: [{ ...LAYER, digest: digestOf('blob') }], manifests: [CHILD] },
      ARTIFACT,
    )
    expect(blobsOf(manifest).map(({ digest }) => digest)).to.deep.equal([
      CONFIG.digest,
      LAYER.digest,
      digestOf('blob'),
    ])
    expect(childrenOf(manifest)).to.deep.equal([CHILD])
  })

  for (const [what, document, error] of [
    ['no JSON', '{', 'MANIFEST_INVALID'],
    ['a list', '[]', 'MANIFEST_INVALID'],
    ['101 levels', `{"x":${'['.repeat(101)}${']'.repeat(101)}}`, 'MANIFEST_INVALID'],
    ['more values than are taken', `{"x":[${'0,'.repeat(100_001)}0]}`, 'MANIFEST_TOO_LARGE'],
    ['more layers than are taken', image({ layers: Array(5001).fill(LAYER) }), 'MANIFEST_TOO_LARGE'],
    ['more blobs than are taken', { blobs: Array(5001).fill(LAYER) }, 'MANIFEST_TOO_LARGE'],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(() => parse(document))
        .to.throw(RegistryError)
        .with.property('error', error)
    })
  }

  it('understands what may be pushed as a push does', () => {
    for (const document of [
      image({ mediaType: OCI_MANIFEST, subject: CHILD, annotations: { a: 'b' }, artifactType: 'a/b' }),
      image({ blobs: [CHILD], custom: 1 }),
      {
        schemaVersion: 2,
        mediaType: OCI_INDEX,
        manifests: [CHILD, { ...LAYER, artifactType: 'a/b' }],
        annotations: {},
      },
    ]) {
      const pushed = parseManifest(Buffer.from(JSON.stringify(document)), undefined)
      const read = parse(document, pushed.mediaType)
      expect(descriptorsOf(read)).to.deep.equal(descriptorsOf(pushed))
      expect([read.annotations, artifactTypeOf(read)]).to.deep.equal([
        pushed.annotations,
        artifactTypeOf(pushed),
      ])
    }
  })

  it('takes any object, and nothing in it that breaks a key', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom('config', 'layers', 'manifests', 'blobs', 'subject', 'annotations', 'artifactType'),
          fc.oneof(
            fc.jsonValue(),
            fc.array(
              fc.record({
                digest: fc.constantFrom<unknown>(LAYER.digest, 'x:\u0000', 7),
                mediaType: fc.jsonValue(),
              }),
            ),
          ),
        ),
        fc.string(),
        (document, contentType) => {
          try {
            const manifest = parse(document, contentType)
            const texts = [
              manifest.mediaType,
              artifactTypeOf(manifest) ?? '',
              ...descriptorsOf(manifest).flatMap(({ digest, mediaType }) => [digest, mediaType]),
            ]
            for (const text of texts) expect(text).to.match(/^[ -~]*$/)
          } catch (error) {
            expect(error).to.be.instanceOf(RegistryError)
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})

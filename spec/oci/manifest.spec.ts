import { expect } from 'chai'
import fc from 'fast-check'
import { digestOf } from '../../src/oci/digest.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { artifactTypeOf, descriptorsOf, parseManifest } from '../../src/oci/manifest.ts'
import { DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'

const EMPTY = { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf('{}'), size: 2 }
const LAYER = { mediaType: 'application/octet-stream', digest: digestOf('abc'), size: 3 }
const CHILD = { mediaType: OCI_MANIFEST, digest: digestOf('child'), size: 5 }

const image = (more: object = {}) => ({ schemaVersion: 2, config: EMPTY, layers: [LAYER], ...more })
const index = (more: object = {}) => ({ schemaVersion: 2, manifests: [CHILD], ...more })
const descriptor = (more: object) => image({ layers: [{ ...LAYER, ...more }] })
const without = (document: object, name: string) =>
  Object.fromEntries(Object.entries(document).filter(([key]) => key !== name))

const bytesOf = (document: unknown) =>
  Buffer.from(typeof document === 'string' ? document : JSON.stringify(document))
const parse = (document: unknown, contentType?: string) => parseManifest(bytesOf(document), contentType)

const VALID: Record<string, [document: unknown, contentType: string | undefined, mediaType: string]> = {
  'an image by its mediaType': [image({ mediaType: OCI_MANIFEST }), undefined, OCI_MANIFEST],
  'an image by the Content-Type': [image(), OCI_MANIFEST, OCI_MANIFEST],
  'an image by its fields alone': [image(), undefined, OCI_MANIFEST],
  'a Docker image': [image({ mediaType: DOCKER_MANIFEST }), DOCKER_MANIFEST, DOCKER_MANIFEST],
  'an index by its mediaType': [index({ mediaType: OCI_INDEX }), undefined, OCI_INDEX],
  'an index by its fields alone': [index(), undefined, OCI_INDEX],
  'a Docker list': [index({ mediaType: DOCKER_LIST }), DOCKER_LIST, DOCKER_LIST],
  'a Content-Type with parameters': [image(), `${OCI_MANIFEST}; charset=utf-8`, OCI_MANIFEST],
  'a Content-Type in upper case': [image(), OCI_MANIFEST.toUpperCase(), OCI_MANIFEST],
  'an empty Content-Type': [image(), '', OCI_MANIFEST],
  'an artifact without layers': [image({ layers: [], artifactType: 'a/b' }), undefined, OCI_MANIFEST],
  'an index of nothing': [index({ manifests: [] }), undefined, OCI_INDEX],
  'an index of indexes': [index({ manifests: [{ ...CHILD, mediaType: OCI_INDEX }] }), undefined, OCI_INDEX],
  'a subject': [image({ subject: CHILD }), undefined, OCI_MANIFEST],
  'a subject of an index': [index({ subject: CHILD }), undefined, OCI_INDEX],
  annotations: [image({ annotations: { a: 'b', '': '' } }), undefined, OCI_MANIFEST],
  'fields that the spec does not name': [
    image({ custom: { deep: [1] }, kind: 'x' }),
    undefined,
    OCI_MANIFEST,
  ],
  'fields of a descriptor that the spec does not name': [descriptor({ custom: 1 }), undefined, OCI_MANIFEST],
  'a platform': [
    index({
      manifests: [
        { ...CHILD, platform: { architecture: 'arm', os: 'linux', variant: 'v7', 'os.features': ['x'] } },
      ],
    }),
    undefined,
    OCI_INDEX,
  ],
  'media types with parameters': [
    image({
      artifactType: 'application/vnd.dev.sigstore.bundle+json;version=0.2',
      layers: [{ ...LAYER, mediaType: 'text/plain; charset=utf-8' }],
      config: { ...EMPTY, mediaType: 'application/x; title="a b"; q*=UTF-8%27%27' },
      subject: { ...CHILD, mediaType: `${OCI_MANIFEST}; charset=utf-8` },
    }),
    undefined,
    OCI_MANIFEST,
  ],
  urls: [descriptor({ urls: ['https://example.org'] }), undefined, OCI_MANIFEST],
  'embedded data': [descriptor({ data: 'YWJj' }), undefined, OCI_MANIFEST],
  'a sha512': [descriptor({ digest: digestOf('abc', 'sha512') }), undefined, OCI_MANIFEST],
  'a digest of an algorithm that is not stored here': [
    descriptor({ digest: 'multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8' }),
    undefined,
    OCI_MANIFEST,
  ],
  'an empty blob': [descriptor({ size: 0 }), undefined, OCI_MANIFEST],
  'white space around it': [` \n${JSON.stringify(image())}\n`, undefined, OCI_MANIFEST],
  'a member named __proto__': [
    JSON.stringify(image()).replace('{', '{"__proto__":{"layers":"x","manifests":[]},'),
    undefined,
    OCI_MANIFEST,
  ],
}

const INVALID: Record<string, [document: unknown, contentType: string | undefined, reason: RegExp]> = {
  'nothing at all': ['', undefined, /not unambiguous JSON in UTF-8/],
  'no JSON': ['{', undefined, /not unambiguous JSON in UTF-8/],
  'two documents': ['{}{}', undefined, /not unambiguous JSON in UTF-8/],
  'a byte order mark': [`\ufeff${JSON.stringify(image())}`, undefined, /not unambiguous JSON in UTF-8/],
  "a tree of 100,000 levels in a field that is no reader's": [
    JSON.stringify(image()).replace('{', `{"x":${'['.repeat(100_000)}${']'.repeat(100_000)},`),
    undefined,
    /nested more than 100 levels/,
  ],
  'two lists of layers': [
    JSON.stringify(image()).replace('{', '{"layers":[],'),
    undefined,
    /the name "layers" stands twice/,
  ],
  null: ['null', undefined, /not a JSON object/],
  'a list': ['[]', undefined, /not a JSON object/],
  'a number': ['1', undefined, /not a JSON object/],
  'a tree of a million levels': ['['.repeat(1_000_000), undefined, /not unambiguous JSON in UTF-8/],
  'an object without anything': [{}, undefined, /must have required property/],
  "a Content-Type that is no manifest's": [image(), 'application/json', /a manifest is one of/],
  "a mediaType that is no manifest's": [
    image({ mediaType: 'application/json' }),
    undefined,
    /a manifest is one of/,
  ],
  'a mediaType that is no text': [image({ mediaType: 7 }), undefined, /a manifest is one of/],
  'a mediaType of null': [image({ mediaType: null }), OCI_MANIFEST, /is not the mediaType/],
  'a Docker manifest of schema 1': [
    { schemaVersion: 1, fsLayers: [], history: [] },
    'application/vnd.docker.distribution.manifest.v1+prettyjws',
    /a manifest is one of/,
  ],
  'a Content-Type that is another than the mediaType': [
    image({ mediaType: OCI_MANIFEST }),
    DOCKER_MANIFEST,
    /the Content-Type is not the mediaType of the manifest/,
  ],
  'an image that says it is an index': [image({ mediaType: OCI_INDEX }), undefined, /manifest/],
  'an index that says it is an image': [index({ mediaType: OCI_MANIFEST }), undefined, /manifest/],
  'an image sent as an index': [image(), OCI_INDEX, /manifest/],
  'both layers and manifests, as an image': [
    image({ manifests: [] }),
    OCI_MANIFEST,
    /must be an image manifest alone/,
  ],
  'both layers and manifests, as an index': [
    index({ layers: [] }),
    OCI_INDEX,
    /must be an image index alone/,
  ],
  'both config and manifests': [index({ config: EMPTY }), OCI_INDEX, /must be an image index alone/],
  'layers of schema 1 too': [image({ fsLayers: [] }), OCI_MANIFEST, /leave out manifests and fsLayers/],
  'no schemaVersion': [without(image(), 'schemaVersion'), undefined, /required property 'schemaVersion'/],
  'schemaVersion 1': [image({ schemaVersion: 1 }), undefined, /schemaVersion must be equal to constant/],
  'a schemaVersion in quotes': [image({ schemaVersion: '2' }), undefined, /schemaVersion must be equal/],
  'no config': [without(image(), 'config'), undefined, /required property 'config'/],
  'a config that is no descriptor': [image({ config: 'x' }), undefined, /config must be object/],
  'no layers': [without(image(), 'layers'), undefined, /required property 'layers'/],
  'layers that are no list': [image({ layers: {} }), undefined, /layers must be array/],
  'a layer of null': [image({ layers: [null] }), undefined, /layers\/0 must be object/],
  'manifests that are no list': [index({ manifests: {} }), undefined, /manifests must be array/],
  'a layer without a digest': [image({ layers: [without(LAYER, 'digest')] }), undefined, /property 'digest'/],
  'a layer without a size': [image({ layers: [without(LAYER, 'size')] }), undefined, /property 'size'/],
  'a layer without a mediaType': [
    image({ layers: [without(LAYER, 'mediaType')] }),
    undefined,
    /property 'mediaType'/,
  ],
  'a digest without an algorithm': [
    descriptor({ digest: 'a'.repeat(64) }),
    undefined,
    /digest must be a digest such as sha256:/,
  ],
  'a digest that is a path': [
    descriptor({ digest: 'sha256:../../etc/passwd' }),
    undefined,
    /digest must be a digest such as sha256:/,
  ],
  'a sha256 that is too short': [
    descriptor({ digest: 'sha256:abc' }),
    undefined,
    /a digest in the manifest is malformed/,
  ],
  'a sha256 in upper case': [
    descriptor({ digest: `sha256:${'A'.repeat(64)}` }),
    undefined,
    /a digest in the manifest is malformed/,
  ],
  'a digest that goes on for ever': [
    descriptor({ digest: `x:${'a'.repeat(1000)}` }),
    undefined,
    /digest must NOT have more/,
  ],
  'a digest that is no text': [descriptor({ digest: 7 }), undefined, /digest must be string/],
  'a negative size': [descriptor({ size: -1 }), undefined, /size must be >= 0/],
  'half a byte': [descriptor({ size: 1.5 }), undefined, /size must be integer/],
  'a size beyond all numbers': [
    JSON.stringify(image()).replace('"size":3', '"size":1e400'),
    undefined,
    /size must be/,
  ],
  'a size beyond exact numbers': [descriptor({ size: 2 ** 60 }), undefined, /size must be <=/],
  'a size in quotes': [descriptor({ size: '3' }), undefined, /size must be integer/],
  'a media type without a slash': [
    descriptor({ mediaType: 'tar' }),
    undefined,
    /mediaType must be a media type such as application\/json/,
  ],
  'a media type of two lines': [descriptor({ mediaType: 'a/b\nc' }), undefined, /must be a media type such/],
  'a media type with a control character in a parameter': [
    descriptor({ mediaType: 'a/b; c=\u0000' }),
    undefined,
    /must be a media type such/,
  ],
  'a media type beyond ASCII': [
    descriptor({ mediaType: 'a/b; c=ü' }),
    undefined,
    /must be a media type such/,
  ],
  'a media type of 256 characters': [
    descriptor({ mediaType: `a/${'b'.repeat(254)}` }),
    undefined,
    /mediaType must NOT have more than 255 characters/,
  ],
  'an empty artifactType': [image({ artifactType: '' }), undefined, /artifactType must be a media type such/],
  'an artifactType that is no text': [image({ artifactType: {} }), undefined, /artifactType must be string/],
  'a subject that is a digest only': [image({ subject: digestOf('x') }), undefined, /subject must be object/],
  'a subject without a size': [image({ subject: without(CHILD, 'size') }), undefined, /subject must have/],
  'a subject with a malformed digest': [
    image({ subject: { ...CHILD, digest: 'sha512:abc' } }),
    undefined,
    /a digest in the manifest is malformed/,
  ],
  'a config with a malformed digest': [
    image({ config: { ...EMPTY, digest: 'sha256:abc' } }),
    undefined,
    /a digest in the manifest is malformed/,
  ],
  'annotations that are a list': [image({ annotations: [] }), undefined, /annotations must be object/],
  'an annotation that is no text': [
    image({ annotations: { a: 1 } }),
    undefined,
    /annotations\/a must be string/,
  ],
  'an annotation of null': [
    descriptor({ annotations: { a: null } }),
    undefined,
    /annotations\/a must be string/,
  ],
  'urls that are no texts': [descriptor({ urls: [1] }), undefined, /urls\/0 must be string/],
  'data that is no text': [descriptor({ data: {} }), undefined, /data must be string/],
  'a platform without an os': [
    index({ manifests: [{ ...CHILD, platform: { architecture: 'arm' } }] }),
    undefined,
    /platform must have required property 'os'/,
  ],
  'fields that only __proto__ has': [
    '{"__proto__":{"schemaVersion":2,"config":{},"layers":[]}}',
    OCI_MANIFEST,
    /must have required property/,
  ],
}

describe('oci/manifest', () => {
  for (const [what, [document, contentType, mediaType]] of Object.entries(VALID)) {
    it(`takes ${what}`, () => {
      const manifest = parse(document, contentType)
      expect(manifest.mediaType).to.equal(mediaType)
      expect(manifest.kind).to.equal(mediaType === OCI_INDEX || mediaType === DOCKER_LIST ? 'index' : 'image')
    })
  }

  for (const [what, [document, contentType, reason]] of Object.entries(INVALID)) {
    it(`refuses ${what}`, () => {
      expect(() => parse(document, contentType))
        .to.throw(RegistryError, reason)
        .with.property('error', 'MANIFEST_INVALID')
    })
  }

  it('refuses what is not UTF-8', () => {
    const bytes = bytesOf(image({ annotations: { a: 'x' } }))
    bytes[bytes.indexOf('"x"') + 1] = 0xff
    expect(() => parseManifest(bytes, undefined)).to.throw(RegistryError, 'not unambiguous JSON in UTF-8')
    const overlong = Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xc0, 0xaf), Buffer.from('"}')])
    expect(() => parseManifest(overlong, undefined)).to.throw(RegistryError, 'not unambiguous JSON in UTF-8')
  })

  it('says where the fault is and which rule it breaks', () => {
    expect(() => parse(image({ layers: [LAYER, { ...LAYER, size: -1 }] })))
      .to.throw(RegistryError, 'manifest/layers/1/size must be >= 0')
      .with.deep.property('detail', {
        path: '/layers/1/size',
        rule: '#/properties/layers/items/properties/size/minimum',
      })
  })

  it('takes everything else for no manifest, and nothing for a fault of its own', () => {
    fc.assert(
      fc.property(fc.json(), fc.option(fc.string(), { nil: undefined }), (text, contentType) => {
        expect(() => parse(text, contentType)).to.throw(RegistryError)
      }),
      { numRuns: 300 },
    )
  })

  it('takes or refuses, and never breaks, where any field of a good one is any JSON', () => {
    const field = fc.constantFrom(
      'schemaVersion',
      'mediaType',
      'config',
      'layers',
      'manifests',
      'subject',
      'annotations',
      'artifactType',
    )
    fc.assert(
      fc.property(field, fc.jsonValue(), fc.boolean(), (name, value, isImage) => {
        try {
          const manifest = parse({ ...(isImage ? image() : index()), [name]: value })
          for (const each of descriptorsOf(manifest)) expect(each.digest).to.be.a('string')
        } catch (error) {
          expect(error).to.be.instanceOf(RegistryError)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('lists every descriptor, the subject last', () => {
    expect(descriptorsOf(parse(image()))).to.deep.equal([EMPTY, LAYER])
    expect(descriptorsOf(parse(image({ subject: CHILD })))).to.deep.equal([EMPTY, LAYER, CHILD])
    expect(descriptorsOf(parse(index({ subject: LAYER })))).to.deep.equal([CHILD, LAYER])
  })

  describe('artifactTypeOf', () => {
    it('is the artifactType', () => {
      expect(artifactTypeOf(parse(image({ artifactType: 'a/b' })))).to.equal('a/b')
      expect(artifactTypeOf(parse(index({ artifactType: 'a/b' })))).to.equal('a/b')
    })

    it('is the media type of the config of an image without one', () => {
      expect(artifactTypeOf(parse(image()))).to.equal(EMPTY.mediaType)
    })

    it('is nothing for an index without one', () =>
      expect(artifactTypeOf(parse(index()))).to.equal(undefined))
  })
})

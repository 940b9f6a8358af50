import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { ManifestSearch, type SearchTime } from '../../src/core/manifest-search.ts'
import type { Parts } from '../../src/core/parts.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { type Descriptor, parseManifest } from '../../src/oci/manifest.ts'
import { DOCKER_CONFIG, OCI_CONFIG, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { PLUGIN_BINARY, SIGNATURE_ANNOTATION } from '../../src/oci/plugin-artifact.ts'
import { PLUGIN_FILES, plugin } from '../support/plugins.ts'
import { refusal } from '../support/refusal.ts'
import { type CoreRegistry, registries, repo, tarOf, wrap } from '../support/registry.ts'

const COREDUMP = plugin('libmemflow_coredump-0.2.0.x86_64.so')
const NATIVE = plugin('libmemflow_native-0.2.0.x86_64.so')
const PLAIN = plugin('libplain.x86_64.so')

describe('core/recognition', () => {
  const open = registries()
  let registry: CoreRegistry

  before(async () => {
    registry = await open()
  })

  const layerOf = (bytes: Uint8Array, mediaType?: string) => registry.pushBlob('a', bytes, mediaType)

  async function found(layers: readonly Descriptor[], more: object = {}, of = registry) {
    const config = await of.pushBlob('a', '{}', 'application/vnd.oci.empty.v1+json')
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers, ...more }))
    return [...(await search(of.parts, bytes)).found]
  }

  const search = (parts: Parts, manifest: Uint8Array, when: SearchTime = 'push') =>
    new ManifestSearch(parts).find(repo('a'), parseManifest(manifest, OCI_MANIFEST), when)

  describe('finds a plugin', () => {
    for (const file of PLUGIN_FILES.filter(name => plugin(name).descriptors.length > 0)) {
      it(`in ${file}`, async () => {
        const { bytes, descriptors } = plugin(file)
        const [one, ...rest] = await found([await layerOf(bytes)])
        expect(rest).to.deep.equal([])
        expect(one).to.deep.include({
          binary: digestOf(bytes),
          size: bytes.length,
          descriptors,
          signature: undefined,
        })
        expect(one?.archive, 'it is a blob already').to.equal(undefined)
      })
    }

    for (const as of ['tar', 'tar+gzip'] as const) {
      it(`in a ${as}, and stores its bytes`, async () => {
        const { bytes, descriptors } = COREDUMP
        const layer = await layerOf(await wrap(bytes, as), 'application/vnd.oci.image.layer.v1.tar')
        const [one, ...rest] = await found([layer])
        expect(rest).to.deep.equal([])
        const binary = digestOf(bytes)
        expect(one).to.deep.include({ binary, size: bytes.length, descriptors, archive: layer.digest })
        expect(await registry.store.stat(binary)).to.include({ size: bytes.length })
      })
    }

    it('in a layer of another algorithm, and knows it by its sha256', async () => {
      const { bytes } = COREDUMP
      const digest = digestOf(bytes, 'sha512')
      await registry.uploads.whole(
        repo('a'),
        (async function* () {
          yield bytes
        })(),
        digest,
      )
      const [one] = await found([{ mediaType: 'a/b', digest, size: bytes.length }])
      expect(one).to.include({ binary: digestOf(bytes), archive: digest })
      expect(await registry.store.stat(digestOf(bytes))).to.include({ size: bytes.length })
    })

    it('in each of several layers', async () => {
      const layers = [
        await layerOf(Buffer.from('# A README')),
        await layerOf(COREDUMP.bytes),
        await layerOf(await wrap(NATIVE.bytes, 'tar')),
      ]
      const binaries = (await found(layers)).map(({ binary }) => binary)
      expect(binaries).to.deep.equal([digestOf(COREDUMP.bytes), digestOf(NATIVE.bytes)])
    })

    it('in each file of an archive', async () => {
      const files = {
        'a.so': COREDUMP.bytes,
        'b/plain.so': PLAIN.bytes,
        'c.so': NATIVE.bytes,
        d: Buffer.from('text'),
      }
      const binaries = (await found([await layerOf(gzipSync(await tarOf(files)))])).map(
        ({ binary }) => binary,
      )
      expect(binaries).to.deep.equal([digestOf(COREDUMP.bytes), digestOf(NATIVE.bytes)])
    })

    it('once, however often it is in the manifest', async () => {
      const layers = [await layerOf(COREDUMP.bytes), await layerOf(await wrap(COREDUMP.bytes, 'tar'))]
      expect(await found([...layers, ...layers])).to.have.length(1)
    })

    it('in an artifact of any type', async () => {
      const layer = await layerOf(COREDUMP.bytes)
      expect(await found([layer], { artifactType: 'application/vnd.example' })).to.have.length(1)
    })
  })

  describe('takes the signature', () => {
    const signed = (signature: string) => ({ annotations: { [SIGNATURE_ANNOTATION]: signature } })

    it('of the layer before that of the manifest', async () => {
      const coredump = { ...(await layerOf(COREDUMP.bytes)), ...signed('layer') }
      const native = await layerOf(NATIVE.bytes)
      const signatures = (await found([coredump, native], signed('manifest'))).map(
        ({ signature }) => signature,
      )
      expect(signatures).to.deep.equal(['layer', 'manifest'])
    })

    it('of the archive for what is in it', async () => {
      const layer = { ...(await layerOf(await wrap(COREDUMP.bytes, 'tar'))), ...signed('archive') }
      expect((await found([layer]))[0]?.signature).to.equal('archive')
    })
  })

  describe('passes over', () => {
    for (const [what, bytes] of Object.entries({
      nothing: Buffer.alloc(0),
      'one byte': Buffer.from('M'),
      text: Buffer.from('hello'),
      'a library without a plugin': PLAIN.bytes,
      'a binary that is cut short': COREDUMP.bytes.subarray(0, 200),
      'four bytes of a binary': Buffer.from('\x7fELF'),
      'a text that begins as a program for Windows does': Buffer.from('MZ and so on'.repeat(100)),
      'a gzip of no tar': gzipSync('hello'),
      'a gzip that is damaged': Buffer.concat([Buffer.of(0x1f, 0x8b), Buffer.alloc(1000, 7)]),
      'two bytes of a gzip': Buffer.of(0x1f, 0x8b),
      'a tar that is damaged': Buffer.concat([
        Buffer.alloc(257, 'x'),
        Buffer.from('ustar'),
        Buffer.alloc(600, 'x'),
      ]),
    })) {
      it(`${what}`, async () => {
        expect(await found([await layerOf(bytes)])).to.deep.equal([])
      })
    }

    it('an archive without a plugin', async () => {
      const files = { 'a.so': PLAIN.bytes, 'b.so': COREDUMP.bytes.subarray(0, 300), c: Buffer.alloc(0) }
      expect(await found([await layerOf(await tarOf(files))])).to.deep.equal([])
    })

    it('what is archived twice', async () => {
      const inner = await tarOf({ 'a.so': COREDUMP.bytes })
      expect(await found([await layerOf(await tarOf({ 'inner.tar': inner }))])).to.deep.equal([])
      expect(await found([await layerOf(gzipSync(gzipSync(inner)))])).to.deep.equal([])
    })

    for (const config of [OCI_CONFIG, DOCKER_CONFIG]) {
      it(`a container image, ${config}`, async () => {
        const layer = await layerOf(COREDUMP.bytes)
        const described = { config: await registry.pushBlob('a', '{"os":"linux"}', config) }
        expect(await found([layer], described)).to.deep.equal([])
      })
    }

    it('a layer that is not here, or of an algorithm that is not stored here', async () => {
      const layers = [
        { mediaType: 'a/b', digest: digestOf('not here'), size: 8 },
        { mediaType: 'a/b', digest: 'blake3:abc', size: 8 },
      ]
      expect(await found(layers)).to.deep.equal([])
    })
  })

  describe('holds a layer that says it is a plugin to its word', () => {
    for (const [what, bytes] of Object.entries({
      'is empty': Buffer.alloc(0),
      'is text': Buffer.from('hello'),
      'has no plugin': PLAIN.bytes,
      'is cut short': COREDUMP.bytes.subarray(0, 200),
    })) {
      it(`where it ${what}`, async () => {
        const work = found([await layerOf(bytes, PLUGIN_BINARY)])
        expect(await refusal(work)).to.equal('PLUGIN_INVALID')
        await work.catch(error => expect(error.message).to.match(/^the layer is not a memflow plugin: \S/))
      })
    }

    it('where it is an archive of one', async () => {
      const layer = await layerOf(await wrap(COREDUMP.bytes, 'tar'), PLUGIN_BINARY)
      expect(await refusal(found([layer]))).to.equal('PLUGIN_INVALID')
    })
  })

  describe('past the limit for plugins', () => {
    let small: CoreRegistry

    before(async () => {
      small = await open({ policy: { maxPluginSize: COREDUMP.bytes.length - 1 } })
    })

    it('refuses what says it is a plugin', async () => {
      const layer = await small.pushBlob('a', COREDUMP.bytes, PLUGIN_BINARY)
      expect(await refusal(found([layer], {}, small))).to.equal('PLUGIN_TOO_LARGE')
    })

    it('passes over anything else', async () => {
      const raw = await small.pushBlob('a', COREDUMP.bytes)
      const archive = await small.pushBlob('a', await wrap(COREDUMP.bytes, 'tar+gzip'))
      expect(await found([raw, archive], {}, small)).to.deep.equal([])
    })
  })

  it('looks once at a layer that is named many times', async () => {
    const registry = await open()
    const layer = await registry.pushBlob('a', COREDUMP.bytes)
    const looks: string[] = []
    const store = new Proxy(registry.store, {
      get: (target, name) => {
        looks.push(String(name))
        const member = Reflect.get(target, name)
        return typeof member === 'function' ? member.bind(target) : member
      },
    })
    const look = async (times: number) => {
      looks.length = 0
      const layers = Array.from({ length: times }, (_, i) => ({ ...layer, mediaType: `application/x-${i}` }))
      const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: layer, layers }
      const bytes = Buffer.from(JSON.stringify(manifest))
      const { found } = await search({ ...registry.parts, store }, bytes)
      return { plugins: found.length, looks: looks.length }
    }
    const once = await look(1)
    expect(once.plugins).to.equal(1)
    expect(await look(1000)).to.deep.equal(once)
  })

  it('fails where the analyzer fails for another reason', async () => {
    const died = () => Promise.reject(new Error('worker died'))
    const broken = await open({ analyzer: { examine: died, unpack: died } })
    for (const as of ['raw', 'tar'] as const) {
      const layer = await broken.pushBlob('a', await wrap(COREDUMP.bytes, as))
      expect(await refusal(found([layer], {}, broken)), as).to.equal('worker died')
    }
  })
})

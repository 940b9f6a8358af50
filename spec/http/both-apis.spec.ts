import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { pack } from 'tar-stream'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import type { Descriptor } from '../../src/oci/manifest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import {
  PLUGIN_BINARY,
  PLUGIN_CONFIG,
  PLUGIN_TYPE,
  SIGNATURE_ANNOTATION,
  SIGNATURE_TYPE,
} from '../../src/oci/plugin-artifact.ts'
import type { Answer } from '../support/ask.ts'
import { upload } from '../support/form.ts'
import { EMPTY, imageIndex, imageManifest, type Located, pushBlob, putManifest } from '../support/oci.ts'
import { type PluginFile, plugin } from '../support/plugins.ts'
import { type RunningRegistry, startRegistry } from '../support/server.ts'
import { signer } from '../support/signer.ts'

interface Document {
  readonly artifactType: string
  readonly config: Located
  readonly layers: readonly Located[]
  readonly manifests: readonly (Located & { platform: object })[]
  readonly annotations: Record<string, string>
}

describe('http/both-apis', () => {
  const { pem, sign } = signer()
  const SO: PluginFile = 'libmemflow_coredump-0.2.0.x86_64.so'
  const DLL: PluginFile = 'memflow_coredump-0.2.0.x86_64.dll'
  const { bytes, descriptors } = plugin(SO)
  const hex = hexOf(digestOf(bytes))
  const signature = sign(bytes)
  let registry: RunningRegistry

  beforeEach(async () => {
    registry = await startRegistry({ keys: pem })
  })

  afterEach(() => registry.close())

  const get = (path: string) => registry.ask('GET', path)
  const document = async (path: string) => (await get(path)).json as Document

  async function publish(file: PluginFile): Promise<string> {
    const content = plugin(file).bytes
    const { text } = await registry.write('POST', '/files', upload(content, sign(content)))
    expect(text).to.equal('"Added"')
    return hexOf(digestOf(content))
  }

  /** Pushes an artifact of that layer as oras does, signed on the manifest. */
  async function push(
    content: Uint8Array,
    { repository = 'coredump', tag = 'mine', mediaType = 'application/octet-stream', ...more } = {},
    signed: string | null = signature,
  ): Promise<{ answer: Answer; digest: string; layer: Located }> {
    await pushBlob(registry, repository, '{}')
    const layer = await pushBlob(registry, repository, content, mediaType)
    const annotations = signed === null ? {} : { [SIGNATURE_ANNOTATION]: signed }
    const body = imageManifest([layer], { artifactType: 'application/vnd.example', annotations, ...more })
    return { answer: await putManifest(registry, repository, tag, body), digest: digestOf(body), layer }
  }

  async function tar(
    ...files: readonly (readonly [name: string, content: Uint8Array | string])[]
  ): Promise<Buffer> {
    const archive = pack()
    for (const [name, content] of files) archive.entry({ name }, Buffer.from(content as string))
    archive.finalize()
    return buffer(archive)
  }

  async function expectListed(name = 'coredump'): Promise<void> {
    expect((await get('/plugins')).text).to.include(`"name":"${name}"`)
    expect((await get(`/plugins/${name}`)).text)
      .to.include(hex)
      .and.include(signature)
    expect((await get(`/files/${hex}`)).bytes.equals(bytes)).to.equal(true)
    const metadata = (await get(`/files/${hex}/metadata`)).json as Record<string, unknown>
    expect(metadata).to.include({ digest: hex, signature })
    expect(metadata.descriptors).to.deep.equal(descriptors)
  }

  async function expectNotListed(): Promise<void> {
    expect((await get('/plugins')).text).to.equal('{"plugins":[]}')
    expect((await get('/plugins/coredump')).text).to.equal('{"plugins":[],"skip":0}')
    expect((await get(`/files/${hex}`)).text).to.equal('plugin not found')
    expect((await get(`/files/${hex}/metadata`)).text).to.equal('plugin not found')
  }

  describe('POST /files', () => {
    it('-> a repository with the composed tags', async () => {
      await publish(SO)
      expect((await get('/v2/_catalog')).json).to.deep.equal({ repositories: ['coredump'] })
      const tags = ['0.2.0', '0.2.0-abi1', 'abi1', 'latest']
      expect((await get('/v2/coredump/tags/list')).json).to.deep.equal({ name: 'coredump', tags })
    })

    it('-> an index for each tag, with the newest build of every platform', async () => {
      await publish(SO)
      await publish(DLL)
      await publish('libmemflow_coredump-0.2.1.arm64.so')
      const platforms = async (tag: string) => {
        const { headers } = await get(`/v2/coredump/manifests/${tag}`)
        expect(headers['content-type']).to.equal(OCI_INDEX)
        const { manifests, artifactType } = await document(`/v2/coredump/manifests/${tag}`)
        expect(artifactType).to.equal(PLUGIN_TYPE)
        return manifests.map(({ platform }) => platform)
      }
      const [linux, windows, arm] = [
        { os: 'linux', architecture: 'amd64' },
        { os: 'windows', architecture: 'amd64' },
        { os: 'linux', architecture: 'arm64' },
      ]
      expect(await platforms('0.2.0')).to.have.deep.members([linux, windows])
      expect(await platforms('0.2.1')).to.deep.equal([arm])
      expect(await platforms('latest')).to.have.deep.members([linux, windows, arm])
    })

    it('-> a manifest with descriptors and signature, a config and the very bytes', async () => {
      await publish(SO)
      const [entry] = (await document('/v2/coredump/manifests/latest')).manifests
      const path = `/v2/coredump/manifests/${entry?.digest}`
      const answer = await get(path)
      expect(answer.headers['content-type']).to.equal(OCI_MANIFEST)
      expect(entry?.size).to.equal(answer.bytes.length)
      const { artifactType, config, layers, annotations } = await document(path)
      const metadata = (await get(`/files/${hex}/metadata`)).json as { signature: string; created_at: string }
      expect(artifactType).to.equal(PLUGIN_TYPE)
      expect(layers).to.deep.equal([
        {
          mediaType: PLUGIN_BINARY,
          digest: `sha256:${hex}`,
          size: bytes.length,
          annotations: { 'org.opencontainers.image.title': 'libmemflow_coredump.x86_64.so' },
        },
      ])
      expect(annotations).to.deep.include({
        [SIGNATURE_ANNOTATION]: metadata.signature,
        'io.memflow.plugin.descriptors': JSON.stringify(descriptors),
        'org.opencontainers.image.title': 'coredump',
        'org.opencontainers.image.version': '0.2.0',
        'org.opencontainers.image.description': descriptors[0]?.description,
      })
      const created = annotations['org.opencontainers.image.created'] ?? ''
      expect(created.replace(/0*Z$/, '')).to.equal(metadata.created_at.replace(/\.?0*$/, ''))
      expect((await get(`/v2/coredump/blobs/${layers[0]?.digest}`)).bytes.equals(bytes)).to.equal(true)
      expect(config.mediaType).to.equal(PLUGIN_CONFIG)
      const { json } = await get(`/v2/coredump/blobs/${config.digest}`)
      expect(json).to.deep.equal({ descriptors })
    })

    it('-> the first digits of the binary are a tag of its manifest', async () => {
      await publish(SO)
      const [entry] = (await document('/v2/coredump/manifests/latest')).manifests
      for (const digits of [7, 12, 64]) {
        const { headers } = await get(`/v2/coredump/manifests/${hex.slice(0, digits)}`)
        expect(headers['docker-content-digest']).to.equal(entry?.digest)
      }
      expect((await get(`/v2/coredump/manifests/${hex.slice(0, 6)}`)).status).to.equal(404)
    })

    it('of a file with two plugins -> a repository for each', async () => {
      await publish('libmemflow_pair-0.2.0.x86_64.so')
      expect((await get('/v2/_catalog')).json).to.deep.equal({ repositories: ['qemu', 'win32'] })
      const [one, two] = await Promise.all(
        ['qemu', 'win32'].map(name => document(`/v2/${name}/manifests/latest`)),
      )
      expect(one?.manifests[0]?.digest).not.to.equal(two?.manifests[0]?.digest)
    })

    it('of a version with a + -> the tag has a _', async () => {
      await publish('libmemflow_coredump-0.2.0+build.7.x86_64.so')
      expect((await get('/v2/coredump/tags/list')).text).to.include('"0.2.0_build.7","0.2.0_build.7-abi1"')
    })

    it('leaves a tag that a user pushed as it is; the composed one comes when the user’s goes', async () => {
      const { digest } = await push(Buffer.from('no plugin'), { tag: 'latest' }, null)
      await publish(SO)
      const latest = async () => (await get('/v2/coredump/manifests/latest')).headers
      expect((await latest())['docker-content-digest']).to.equal(digest)
      expect((await registry.write('DELETE', '/v2/coredump/manifests/latest')).status).to.equal(202)
      expect((await latest())['content-type']).to.equal(OCI_INDEX)
    })
  })

  describe('PUT of a manifest', () => {
    it('with the binary as a layer of any type -> is listed', async () => {
      expect((await push(bytes)).answer.status).to.equal(201)
      await expectListed()
      expect((await get('/v2/coredump/tags/list')).text).to.include('"latest","mine"')
    })

    it('with the signature on the layer -> is listed, and that one counts', async () => {
      await pushBlob(registry, 'a/b', '{}')
      const layer = await pushBlob(registry, 'a/b', bytes)
      const signed = { ...layer, annotations: { [SIGNATURE_ANNOTATION]: signature } }
      const body = imageManifest([signed], { annotations: { [SIGNATURE_ANNOTATION]: 'wrong' } })
      const answer = await putManifest(registry, 'a/b', 'v1', body)
      expect(answer.status, answer.text).to.equal(201)
      await expectListed()
    })

    for (const [what, packed] of [
      ['tar', () => tar(['readme.md', 'text'], ['lib/libmemflow_coredump.so', bytes])],
      ['tar+gzip', async () => gzipSync(await tar(['libmemflow_coredump.so', bytes]))],
    ] as const) {
      it(`with the binary in a ${what} layer -> is listed, and is a blob of its own`, async () => {
        const { answer, layer } = await push(await packed())
        expect(answer.status, answer.text).to.equal(201)
        await expectListed()
        expect(layer.digest).not.to.equal(`sha256:${hex}`)
        expect((await get(`/v2/coredump/blobs/sha256:${hex}`)).bytes.equals(bytes)).to.equal(true)
      })
    }

    it('of an artifact with no plugin in it -> 201, and nothing is listed', async () => {
      const { bytes: plain } = plugin('libplain.x86_64.so')
      for (const content of [plain, Buffer.from('text'), gzipSync('text'), await tar(['a', plain])]) {
        expect((await push(content, {}, null)).answer.status).to.equal(201)
      }
      await expectNotListed()
    })

    it('of a container image with the binary in its layer -> 201, and it is not listed', async () => {
      const config = { ...EMPTY, mediaType: 'application/vnd.oci.image.config.v1+json' }
      expect((await push(await tar(['libmemflow.so', bytes]), { config } as object)).answer.status).to.equal(
        201,
      )
      await expectNotListed()
    })

    it('of a layer that says it is a plugin, and is not -> 400 MANIFEST_INVALID with the reason', async () => {
      const { answer } = await push(Buffer.from('text'), { mediaType: PLUGIN_BINARY }, null)
      expect(answer.status).to.equal(400)
      expect(answer.code).to.equal('MANIFEST_INVALID')
      expect(answer.text).to.include('the layer is not a memflow plugin')
      expect((await get('/v2/_catalog')).json).to.deep.equal({ repositories: [] })
    })

    for (const [what, wrong] of [
      ['of another file', () => sign(plugin(DLL).bytes)],
      ['that is none', () => 'zz'],
      ['that is empty', () => ''],
    ] as const) {
      it(`with a signature ${what} -> 400, and nothing is behind`, async () => {
        const layers = [bytes, await tar(['x.so', bytes]), gzipSync(await tar(['x.so', bytes]))]
        for (const content of layers) {
          const { answer, digest } = await push(content, {}, wrong())
          expect(answer.status).to.equal(400)
          expect(answer.code).to.equal('MANIFEST_INVALID')
          expect(answer.text).to.include('Signature error: file signature is invalid')
          await expectNotListed()
          expect((await get('/v2/_catalog')).json).to.deep.equal({ repositories: [] })
          for (const reference of ['mine', 'latest', digest, hex.slice(0, 7)]) {
            expect((await get(`/v2/coredump/manifests/${reference}`)).code).to.equal('NAME_UNKNOWN')
          }
          expect((await get('/v2/coredump/tags/list')).code).to.equal('NAME_UNKNOWN')
        }
      })
    }

    it('with a wrong signature over a tag that is there -> 400, and the tag is what it was', async () => {
      const { digest } = await push(bytes)
      expect((await push(plugin(DLL).bytes, {}, signature)).answer.status).to.equal(400)
      expect((await get('/v2/coredump/manifests/mine')).headers['docker-content-digest']).to.equal(digest)
      await expectListed()
    })
  })

  describe('without a signature', () => {
    it('PUT of a manifest -> 201, can be pulled and is not listed, until a signature refers to it', async () => {
      const { answer, digest } = await push(bytes, {}, null)
      expect(answer.status).to.equal(201)
      expect((await get('/v2/coredump/manifests/mine')).status).to.equal(200)
      expect((await get('/v2/coredump/manifests/latest')).status).to.equal(404)
      await expectNotListed()
      const subject = { mediaType: OCI_MANIFEST, digest, size: 2 }
      const bring = (signed: string) =>
        imageManifest([EMPTY], {
          artifactType: SIGNATURE_TYPE,
          subject,
          annotations: { [SIGNATURE_ANNOTATION]: signed },
        })
      const refused = await putManifest(registry, 'coredump', 'sig', bring(sign(plugin(DLL).bytes)))
      expect(refused.status).to.equal(400)
      await expectNotListed()
      const brought = await putManifest(registry, 'coredump', digestOf(bring(signature)), bring(signature))
      expect(brought.status, brought.text).to.equal(201)
      await expectListed()
      expect((await get('/v2/coredump/manifests/latest')).status).to.equal(200)
      const gone = await registry.write('DELETE', `/v2/coredump/manifests/${digestOf(bring(signature))}`)
      expect(gone.status).to.equal(202)
      await expectNotListed()
    })

    it('PUT with MEMFLOW_REQUIRE_SIGNATURE -> 400, and nothing is behind', async () => {
      await registry.close()
      registry = await startRegistry({ keys: pem, policy: { requireSignature: true } })
      const { answer } = await push(bytes, {}, null)
      expect(answer.status).to.equal(400)
      expect(answer.text).to.include('file signature is required')
      expect((await get('/v2/_catalog')).json).to.deep.equal({ repositories: [] })
    })

    it('PUT where no keys are configured -> is listed, with an empty signature', async () => {
      await registry.close()
      registry = await startRegistry()
      await push(bytes, {}, null)
      expect((await get(`/files/${hex}/metadata`)).json).to.include({ digest: hex, signature: '' })
    })
  })

  describe('deleting', () => {
    const children = async (): Promise<readonly Descriptor[]> =>
      (await document('/v2/coredump/manifests/latest')).manifests

    it('DELETE /files/{digest} -> manifest, tags and repository are gone', async () => {
      await publish(SO)
      const [entry] = await children()
      expect((await registry.write('DELETE', `/files/${hex}`)).status).to.equal(200)
      await expectNotListed()
      for (const reference of ['latest', '0.2.0', entry?.digest, hex.slice(0, 7)]) {
        expect((await get(`/v2/coredump/manifests/${reference}`)).status).to.equal(404)
      }
      expect((await get('/v2/_catalog')).json).to.deep.equal({ repositories: [] })
    })

    it('DELETE /files/{digest} of one of two builds -> the tags have the other', async () => {
      await publish(SO)
      await publish(DLL)
      await registry.write('DELETE', `/files/${hex}`)
      expect(await children()).to.have.length(1)
      expect((await get('/plugins/coredump')).text)
        .to.include('"file_type":"pe"')
        .and.not.include(hex)
    })

    it('DELETE /files/{digest} of what oras pushed, also into several repositories -> gone from all', async () => {
      await push(bytes)
      await push(bytes, { repository: 'copies/of/it', tag: 'v1' })
      await expectListed()
      await registry.write('DELETE', `/files/${hex}`)
      await expectNotListed()
      expect((await get('/v2/_catalog')).json).to.deep.equal({ repositories: [] })
    })

    it('DELETE of the manifest -> gone from the listing', async () => {
      await publish(SO)
      const [entry] = await children()
      expect((await registry.write('DELETE', `/v2/coredump/manifests/${entry?.digest}`)).status).to.equal(202)
      await expectNotListed()
      expect((await get('/v2/coredump/tags/list')).code).to.equal('NAME_UNKNOWN')
    })

    it('DELETE of one of two manifests that bring it -> still listed', async () => {
      const { digest } = await push(bytes)
      await push(bytes, { repository: 'copy' })
      await registry.write('DELETE', `/v2/coredump/manifests/${digest}`)
      await expectListed()
      await registry.write('DELETE', '/v2/copy/manifests/mine')
      await expectListed()
    })

    it('DELETE of a tag -> still listed: the manifest is there', async () => {
      await push(bytes)
      await registry.write('DELETE', '/v2/coredump/manifests/mine')
      await expectListed()
    })
  })

  it('an index that a user pushes over published manifests -> 201', async () => {
    await publish(SO)
    const { manifests } = await document('/v2/coredump/manifests/latest')
    const answer = await putManifest(registry, 'coredump', 'stable', imageIndex(manifests))
    expect(answer.status, answer.text).to.equal(201)
    expect((await get('/v2/coredump/tags/list')).text).to.include('"stable"')
  })

  it('the artifact that a copy brings to another registry -> is listed there, with its time', async () => {
    await publish(SO)
    const [entry] = (await document('/v2/coredump/manifests/latest')).manifests
    const path = `/v2/coredump/manifests/${entry?.digest}`
    const { bytes: body } = await get(path)
    const { config, layers } = await document(path)
    const other = await startRegistry({ keys: pem })
    try {
      for (const { digest, mediaType } of [config, ...layers]) {
        await pushBlob(other, 'mirror/coredump', (await get(`/v2/coredump/blobs/${digest}`)).bytes, mediaType)
      }
      expect((await putManifest(other, 'mirror/coredump', 'v1', body)).status).to.equal(201)
      const metadata = `/files/${hex}/metadata`
      expect((await other.ask('GET', metadata)).text).to.equal((await get(metadata)).text)
    } finally {
      await other.close()
    }
  })
})

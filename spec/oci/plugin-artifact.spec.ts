import { expect } from 'chai'
import { digestOf, parseDigest } from '../../src/oci/digest.ts'
import { type ImageManifest, parseManifest } from '../../src/oci/manifest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { isTag } from '../../src/oci/name.ts'
import {
  buildDescriptor,
  composedIndex,
  composedTagsOf,
  createdOf,
  PLATFORMS,
  platformKey,
  platformOf,
  pluginArtifact,
  signatureForSubject,
  signatureOf,
} from '../../src/oci/plugin-artifact.ts'
import type { Architecture, FileType, PluginDescriptor } from '../../src/plugin/descriptor.ts'
import { PLUGIN_FILES, type PluginFile, plugin } from '../support/plugins.ts'

const CREATED = '2024-03-22T18:14:53.402258600Z'

const artifactOf = (file: PluginFile, signature = 'aabb', created = CREATED) => {
  const { bytes, descriptors } = plugin(file)
  const binary = { digest: digestOf(bytes), size: bytes.length, descriptors }
  return { binary, ...pluginArtifact(binary, descriptors[0] as PluginDescriptor, signature, created) }
}

const like = (more: Partial<PluginDescriptor>): PluginDescriptor => ({
  plugin_kind: 'os',
  export_name: 'MEMFLOW_OS_X',
  file_type: 'elf',
  architecture: 'x86_64',
  plugin_version: 1,
  name: 'x',
  version: '1.0.0',
  description: '',
  ...more,
})

const titleOf = (descriptors: PluginDescriptor[]) => {
  const binary = { digest: digestOf(''), size: 0, descriptors }
  const { manifest } = pluginArtifact(binary, descriptors[0] as PluginDescriptor, '', CREATED)
  return (parseManifest(manifest.bytes, undefined) as ImageManifest).layers[0]?.annotations?.[
    'org.opencontainers.image.title'
  ]
}

describe('oci/plugin-artifact', () => {
  describe('the artifact of a plugin', () => {
    it('is what the README and ARCHITECTURE.md say', () => {
      const { binary, config, manifest } = artifactOf('libmemflow_coredump-0.2.0.x86_64.so')
      expect(JSON.parse(config.bytes.toString())).to.deep.equal({ descriptors: binary.descriptors })
      expect(JSON.parse(manifest.bytes.toString())).to.deep.equal({
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        artifactType: 'application/vnd.memflow.plugin.v1',
        config: {
          mediaType: 'application/vnd.memflow.plugin.config.v1+json',
          digest: digestOf(config.bytes),
          size: config.bytes.length,
        },
        layers: [
          {
            mediaType: 'application/vnd.memflow.plugin.binary.v1',
            digest: binary.digest,
            size: binary.size,
            annotations: { 'org.opencontainers.image.title': 'libmemflow_coredump.x86_64.so' },
          },
        ],
        annotations: {
          'io.memflow.plugin.signature': 'aabb',
          'io.memflow.plugin.descriptors': JSON.stringify(binary.descriptors),
          'org.opencontainers.image.created': CREATED,
          'org.opencontainers.image.title': 'coredump',
          'org.opencontainers.image.version': '0.2.0',
          'org.opencontainers.image.description': binary.descriptors[0]?.description,
        },
      })
      expect(manifest.descriptor).to.deep.equal({
        mediaType: OCI_MANIFEST,
        digest: digestOf(manifest.bytes),
        size: manifest.bytes.length,
      })
    })

    for (const file of PLUGIN_FILES.filter(name => plugin(name).descriptors.length > 0)) {
      it(`is a valid manifest for ${file}, and the same each time`, () => {
        const { manifest } = artifactOf(file)
        expect(parseManifest(manifest.bytes, OCI_MANIFEST).kind).to.equal('image')
        expect(artifactOf(file).manifest).to.deep.equal(manifest)
      })
    }

    it('is another one with another signature or time', () => {
      const file = 'libmemflow_coredump-0.2.0.x86_64.so'
      const digests = [
        artifactOf(file),
        artifactOf(file, 'ccdd'),
        artifactOf(file, 'aabb', '2024-03-22T18:14:53.402258601Z'),
      ].map(({ manifest }) => manifest.descriptor.digest)
      expect(new Set(digests)).to.have.length(3)
    })

    it('tells its signature and its time again', () => {
      const manifest = parseManifest(
        artifactOf('libmemflow_coredump-0.2.0.x86_64.so').manifest.bytes,
        undefined,
      )
      expect(signatureOf(manifest, (manifest as ImageManifest).layers[0])).to.equal('aabb')
      expect(createdOf(manifest)).to.equal(CREATED)
      expect(signatureForSubject(manifest)).to.equal(undefined)
    })
  })

  describe('the name of its file', () => {
    for (const [name, descriptors] of Object.entries({
      'libmemflow_x.x86_64.so': [like({})],
      'libmemflow_x.arm64.so': [like({ architecture: 'arm64' })],
      'libmemflow_x.arm64.dylib': [like({ architecture: 'arm64', file_type: 'mach' })],
      'memflow_x.x86.dll': [like({ architecture: 'x86', file_type: 'pe' })],
      'libmemflow_x.machine243.so': [like({ architecture: { unknown: 243 } })],
      'libmemflow_x.universal.dylib': [
        like({ file_type: 'mach' }),
        like({ file_type: 'mach', architecture: 'arm64' }),
      ],
      'libmemflow_a.x86_64.so': [like({ name: 'a' }), like({ name: 'b' })],
      'libmemflow_a-b-c.x86_64.so': [like({ name: 'a/b\\ c' })],
      'libmemflow_..-..-etc.x86_64.so': [like({ name: '../../etc' })],
      'libmemflow_内存.x86_64.so': [like({ name: '内存' })],
    })) {
      it(`is ${name}`, () => expect(titleOf(descriptors)).to.equal(name))
    }

    it('never collides between the platforms of one version', () => {
      const files = PLUGIN_FILES.filter(file => file.includes('coredump-0.2.0.')).map(file =>
        titleOf([...plugin(file).descriptors]),
      )
      expect(files).to.have.length(9)
      expect(new Set(files)).to.have.length(9)
    })
  })

  describe('platformOf', () => {
    const rows: [FileType, Architecture, string | undefined][] = [
      ['elf', 'x86_64', 'linux/amd64'],
      ['elf', 'x86', 'linux/386'],
      ['elf', 'arm', 'linux/arm'],
      ['elf', 'arm64', 'linux/arm64'],
      ['pe', 'x86_64', 'windows/amd64'],
      ['pe', 'arm64', 'windows/arm64'],
      ['mach', 'arm64', 'darwin/arm64'],
      ['elf', { unknown: 243 }, undefined],
    ]
    for (const [file_type, architecture, expected] of rows) {
      it(`of ${file_type} for ${JSON.stringify(architecture)} is ${expected}`, () => {
        const platform = platformOf(like({ file_type, architecture }))
        expect(platform && platformKey(platform)).to.equal(expected)
        if (expected) expect(PLATFORMS).to.include(expected)
      })
    }

    it('has an answer for each of the twelve that composed indexes can have', () => {
      expect(PLATFORMS).to.have.length(12)
      expect([...PLATFORMS].sort()).to.deep.equal(PLATFORMS)
    })
  })

  describe('composed tags', () => {
    for (const [version, abi, tags] of [
      ['0.2.0', 1, ['latest', 'abi1', '0.2.0', '0.2.0-abi1']],
      ['0.2.0+build.7', 1, ['latest', 'abi1', '0.2.0_build.7', '0.2.0_build.7-abi1']],
      ['0.2.0-beta.1', -5, ['latest', 'abi-5', '0.2.0-beta.1', '0.2.0-beta.1-abi-5']],
      ['', 1, ['latest', 'abi1']],
      ['…', 1, ['latest', 'abi1']],
      ['latest', 1, ['latest', 'abi1', 'latest-abi1']],
      ['abi1', 1, ['latest', 'abi1', 'abi1-abi1']],
      ['1'.repeat(200), 1, ['latest', 'abi1', '1'.repeat(128)]],
    ] as const) {
      it(`of version ${JSON.stringify(version.slice(0, 20))} and ABI ${abi} are ${tags.join(', ').slice(0, 60)}`, () => {
        const composed = composedTagsOf(like({ version, plugin_version: abi }))
        expect(composed).to.deep.equal(tags)
        for (const tag of composed) expect(isTag(tag)).to.equal(true)
      })
    }

    it('point at a valid index whose entries have a platform and no title', () => {
      const { manifest } = artifactOf('libmemflow_coredump-0.2.0.x86_64.so')
      const platform = { os: 'linux', architecture: 'amd64' }
      const entry = buildDescriptor(manifest.descriptor, like({ version: '1.2.3' }), platform)
      const { bytes, descriptor } = composedIndex([entry])
      expect(parseManifest(bytes, OCI_INDEX)).to.deep.include({
        kind: 'index',
        artifactType: 'application/vnd.memflow.plugin.v1',
        manifests: [
          { ...manifest.descriptor, platform, annotations: { 'org.opencontainers.image.version': '1.2.3' } },
        ],
      })
      expect(descriptor.digest).to.equal(digestOf(bytes))
    })
  })

  describe('what pushers write', () => {
    const layer = { mediaType: 'a/b', digest: digestOf('x'), size: 1 }
    const signed = (annotations?: Record<string, string>, more: object = {}) =>
      parseManifest(
        Buffer.from(
          JSON.stringify({ schemaVersion: 2, config: layer, layers: [layer], annotations, ...more }),
        ),
        OCI_MANIFEST,
      )

    it('is a signature on the layer, else on the manifest', () => {
      const onManifest = signed({ 'io.memflow.plugin.signature': 'manifest' })
      const onLayer = { ...layer, annotations: { 'io.memflow.plugin.signature': 'layer' } }
      expect(signatureOf(onManifest, onLayer)).to.equal('layer')
      expect(signatureOf(onManifest, layer)).to.equal('manifest')
      expect(signatureOf(onManifest)).to.equal('manifest')
      expect(signatureOf(signed(), layer)).to.equal(undefined)
    })

    it('is no time of publishing, unless the artifact is one of ours', () => {
      const annotations = { 'org.opencontainers.image.created': CREATED }
      expect(createdOf(signed(annotations))).to.equal(undefined)
      expect(createdOf(signed(annotations, { artifactType: 'application/vnd.memflow.plugin.v1' }))).to.equal(
        CREATED,
      )
    })

    it('is a signature for the subject only where the manifest is there for that', () => {
      const annotations = { 'io.memflow.plugin.signature': 'aabb' }
      expect(signatureForSubject(signed(annotations))).to.equal(undefined)
      const artifactType = 'application/vnd.memflow.plugin.signature.v1'
      expect(signatureForSubject(signed(annotations, { artifactType }))).to.equal('aabb')
      expect(signatureForSubject(signed({}, { artifactType }))).to.equal(undefined)
    })

    it('names digests as parseDigest takes them', () => {
      const { manifest } = artifactOf('libmemflow_coredump-0.2.0.x86_64.so')
      expect(parseDigest(manifest.descriptor.digest)).to.equal(manifest.descriptor.digest)
    })
  })
})

import type { FileType, PluginDescriptor } from '../plugin/descriptor.ts'
import { type Digest, digestOf } from './digest.ts'
import type { Descriptor, Manifest, Platform } from './manifest.ts'
import { OCI_INDEX, OCI_MANIFEST } from './media-types.ts'
import { type Tag, tagOf } from './name.ts'

/** The one file that knows how a memflow plugin looks as an OCI artifact. */
export const PLUGIN_TYPE = 'application/vnd.memflow.plugin.v1'
export const PLUGIN_CONFIG = 'application/vnd.memflow.plugin.config.v1+json'
export const PLUGIN_BINARY = 'application/vnd.memflow.plugin.binary.v1'
/** A referrer of this type brings the signature of its subject later. */
export const SIGNATURE_TYPE = 'application/vnd.memflow.plugin.signature.v1'

export const SIGNATURE_ANNOTATION = 'io.memflow.plugin.signature'
const DESCRIPTORS_ANNOTATION = 'io.memflow.plugin.descriptors'
const CREATED_ANNOTATION = 'org.opencontainers.image.created'
const TITLE_ANNOTATION = 'org.opencontainers.image.title'
const VERSION_ANNOTATION = 'org.opencontainers.image.version'
const DESCRIPTION_ANNOTATION = 'org.opencontainers.image.description'

const OS: Record<FileType, string> = { elf: 'linux', pe: 'windows', mach: 'darwin' }
const ARCHITECTURE: Record<string, string> = { x86: '386', x86_64: 'amd64', arm: 'arm', arm64: 'arm64' }

/** A document with its bytes and what points at it. */
export interface Document {
  readonly bytes: Buffer
  readonly descriptor: Descriptor & { readonly digest: Digest }
}

export interface PluginBinary {
  readonly digest: Digest
  readonly size: number
  readonly descriptors: readonly PluginDescriptor[]
}

/** The platform a plugin runs on in Go's words, as image-index.md wants them; undefined for machines memflow has no name for. */
export function platformOf(plugin: PluginDescriptor): Platform | undefined {
  const architecture = typeof plugin.architecture === 'string' ? ARCHITECTURE[plugin.architecture] : undefined
  return architecture === undefined ? undefined : { architecture, os: OS[plugin.file_type] }
}

/** All the platforms that composed indexes can have, in the order of their entries. */
export const PLATFORMS: readonly string[] = Object.values(OS)
  .flatMap(os => Object.values(ARCHITECTURE).map(architecture => `${os}/${architecture}`))
  .sort()

/** `os/architecture`, the way clients' `--platform` spells it. */
export function platformKey(platform: Platform): string {
  return `${platform.os}/${platform.architecture}`
}

/**
 * The artifact of one plugin of a binary: a pure function of its arguments, so that publishing again gives the same digest.
 * `plugin` is the descriptor whose repository this is for, `created` an RFC 3339 time.
 */
export function pluginArtifact(
  binary: PluginBinary,
  plugin: PluginDescriptor,
  signature: string,
  created: string,
): { config: Document; manifest: Document } {
  const config = json(PLUGIN_CONFIG, { descriptors: binary.descriptors })
  const title = fileName(plugin, binary.descriptors)
  const manifest = json(OCI_MANIFEST, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: PLUGIN_TYPE,
    config: config.descriptor,
    layers: [
      {
        mediaType: PLUGIN_BINARY,
        digest: binary.digest,
        size: binary.size,
        annotations: { [TITLE_ANNOTATION]: title },
      },
    ],
    annotations: {
      [SIGNATURE_ANNOTATION]: signature,
      [DESCRIPTORS_ANNOTATION]: JSON.stringify(binary.descriptors),
      [CREATED_ANNOTATION]: created,
      [TITLE_ANNOTATION]: plugin.name,
      [VERSION_ANNOTATION]: plugin.version,
      [DESCRIPTION_ANNOTATION]: plugin.description,
    },
  })
  return { config, manifest }
}

/** An index of one plugin's builds, the newest of each platform. */
export function composedIndex(builds: readonly Descriptor[]): Document {
  return json(OCI_INDEX, {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    artifactType: PLUGIN_TYPE,
    manifests: builds,
  })
}

/** What `composedIndex` has made an index of. */
export function buildsIn(index: Uint8Array): readonly Descriptor[] {
  return JSON.parse(Buffer.from(index).toString()).manifests
}

/** An entry of a composed index. Without a title: `oras pull` would write the manifest to a file of that name. */
export function buildDescriptor(
  manifest: Descriptor,
  plugin: PluginDescriptor,
  platform: Platform,
): Descriptor {
  return {
    mediaType: manifest.mediaType,
    digest: manifest.digest,
    size: manifest.size,
    platform,
    annotations: { [VERSION_ANNOTATION]: plugin.version },
  }
}

/** The tags that the registry composes for a plugin, each an index over platforms. */
export function composedTagsOf(plugin: PluginDescriptor): Tag[] {
  const version = tagOf(plugin.version)
  const abi = `abi${plugin.plugin_version}`
  const names = version ? ['latest', abi, version, `${version}-${abi}`] : ['latest', abi]
  return [...new Set(names.map(tagOf).filter(tag => tag !== undefined))]
}

/** The signature that a pusher put on the layer, else on the manifest. */
export function signatureOf(manifest: Manifest, layer?: Descriptor): string | undefined {
  return layer?.annotations?.[SIGNATURE_ANNOTATION] ?? manifest.annotations?.[SIGNATURE_ANNOTATION]
}

/**
 * When the plugin was published first: an artifact of ours keeps the time wherever it is copied to.
 * What other tools write there is the time of a build, of no use to order by.
 */
export function createdOf(manifest: Manifest): string | undefined {
  return manifest.artifactType === PLUGIN_TYPE ? manifest.annotations?.[CREATED_ANNOTATION] : undefined
}

/** The signature that the manifest brings for its subject, where it is there for that. */
export function signatureForSubject(manifest: Manifest): string | undefined {
  return manifest.artifactType === SIGNATURE_TYPE ? manifest.annotations?.[SIGNATURE_ANNOTATION] : undefined
}

/**
 * The file name that `oras pull` gives the binary. It tells plugin and platform,
 * so that the files of an index never collide when all platforms are pulled at once.
 */
function fileName(plugin: PluginDescriptor, all: readonly PluginDescriptor[]): string {
  const slices = new Set(all.filter(other => other.name === plugin.name).map(other => machine(other)))
  const stem = `${plugin.name.replace(/[^\p{L}\p{N}._-]+/gu, '-')}.${slices.size > 1 ? 'universal' : machine(plugin)}`
  if (plugin.file_type === 'pe') return `memflow_${stem}.dll`
  return `libmemflow_${stem}.${plugin.file_type === 'mach' ? 'dylib' : 'so'}`
}

function machine(plugin: PluginDescriptor): string {
  return typeof plugin.architecture === 'string'
    ? plugin.architecture
    : `machine${plugin.architecture.unknown}`
}

function json(mediaType: string, document: object): Document {
  const bytes = Buffer.from(JSON.stringify(document))
  return { bytes, descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length } }
}

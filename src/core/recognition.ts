import { TarError, tarFiles } from '../archive/tar-files.ts'
import { type Digest, digestOf, isDigest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Descriptor, ImageManifest } from '../oci/manifest.ts'
import { DOCKER_CONFIG, OCI_CONFIG } from '../oci/media-types.ts'
import { PLUGIN_BINARY, signatureOf } from '../oci/plugin-artifact.ts'
import { isBinary } from '../plugin/analyze.ts'
import type { PluginDescriptor } from '../plugin/descriptor.ts'
import { PluginError } from '../plugin/error.ts'
import type { BlobHandle, BlobStore } from '../store/contract.ts'
import type { Parts } from './parts.ts'

/** A memflow binary in a manifest. */
export interface FoundPlugin {
  /** Always the sha256, which is what memflow knows it by. */
  readonly binary: Digest
  readonly size: number
  readonly descriptors: readonly PluginDescriptor[]
  readonly signature: string | undefined
  /** The bytes, where they are not a blob under that digest yet: out of an archive, or pushed by another algorithm. */
  readonly bytes: Buffer | undefined
}

/** Archives are looked into up to these bounds; a larger one is stored like any blob and not searched. */
const TAR_LIMITS = { total: 256 * 1024 * 1024, entries: 1000 }

/**
 * The plugins in an artifact: layers that are memflow binaries by their first bytes, and those in tar and tar+gzip layers.
 * Container images are not searched: their thousands of files are a system, not a plugin that somebody publishes.
 * Throws `PLUGIN_INVALID` where a layer says by its media type that it is one, and is not.
 */
export async function findPlugins(parts: Parts, manifest: ImageManifest): Promise<FoundPlugin[]> {
  const { mediaType } = manifest.config
  if (mediaType === OCI_CONFIG || mediaType === DOCKER_CONFIG) return []
  const found = new Map<Digest, FoundPlugin>()
  for (const layer of manifest.layers) {
    for await (const plugin of inLayer(parts, layer)) {
      const signature = signatureOf(manifest, layer)
      if (!found.has(plugin.binary)) found.set(plugin.binary, { ...plugin, signature })
    }
  }
  return [...found.values()]
}

type Unsigned = Omit<FoundPlugin, 'signature'>

async function* inLayer(parts: Parts, layer: Descriptor): AsyncIterable<Unsigned> {
  if (!isDigest(layer.digest)) return
  const head = await read(parts.store, layer.digest, 512)
  if (!head) return
  const claimed = layer.mediaType === PLUGIN_BINARY
  if (claimed || isBinary(head)) {
    const plugin = await analyze(parts, layer.digest, claimed)
    if (plugin) yield plugin
  } else if (isTar(head) || isGzip(head)) {
    const handle = await parts.store.open(layer.digest)
    if (handle) yield* inTar(parts, handle, isGzip(head))
  }
}

async function analyze(parts: Parts, layer: Digest, claimed: boolean): Promise<Unsigned | undefined> {
  const { analyzer, policy, store } = parts
  const size = (await store.stat(layer))?.size ?? 0
  if (size > policy.maxPluginSize) {
    if (claimed) throw new RegistryError('PLUGIN_TOO_LARGE', { detail: { limit: policy.maxPluginSize } })
    return undefined
  }
  const bytes = (await read(store, layer, size)) ?? Buffer.alloc(0)
  try {
    const descriptors = await analyzer.analyze(bytes)
    const binary = digestOf(bytes)
    return { binary, size: bytes.length, descriptors, bytes: binary === layer ? undefined : bytes }
  } catch (error) {
    if (!(error instanceof PluginError)) throw error
    // Any library may be pushed; only what calls itself a plugin has to be one.
    if (!claimed) return undefined
    throw new RegistryError('PLUGIN_INVALID', {
      message: `the layer is not a memflow plugin: ${error.reason}`,
      detail: { digest: layer },
      cause: error,
    })
  }
}

async function* inTar(
  { analyzer, policy }: Parts,
  handle: BlobHandle,
  gzip: boolean,
): AsyncIterable<Unsigned> {
  const limits = { ...TAR_LIMITS, file: policy.maxPluginSize }
  try {
    for await (const { bytes } of tarFiles(handle.read(), { gzip, wanted: isBinary, limits })) {
      const descriptors = await analyzer.analyze(bytes).catch(none)
      if (descriptors.length > 0) yield { binary: digestOf(bytes), size: bytes.length, descriptors, bytes }
    }
  } catch (error) {
    // What cannot be unpacked is no plugin, and a blob like any other.
    if (!(error instanceof TarError)) throw error
  }
}

function none(error: unknown): readonly PluginDescriptor[] {
  if (error instanceof PluginError) return []
  throw error
}

/** The first bytes of the blob, at most `max`. */
async function read(store: BlobStore, digest: Digest, max: number): Promise<Buffer | undefined> {
  const handle = await store.open(digest)
  if (!handle) return undefined
  const size = Math.min(handle.size, max)
  const chunks: Buffer[] = []
  if (size === 0) await handle.close()
  else for await (const chunk of handle.read({ start: 0, end: size - 1 })) chunks.push(chunk)
  return Buffer.concat(chunks, size)
}

/** POSIX ustar and GNU tar both have `ustar` at 257. */
function isTar(head: Buffer): boolean {
  return head.toString('latin1', 257, 262) === 'ustar'
}

/** RFC 1952, 2.3.1. */
function isGzip(head: Buffer): boolean {
  return head[0] === 0x1f && head[1] === 0x8b
}

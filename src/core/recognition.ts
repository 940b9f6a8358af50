import { setImmediate } from 'node:timers/promises'
import { TarError, tarFiles } from '../archive/tar-files.ts'
import { readShared } from '../lib/shared.ts'
import { algorithmOf, type Digest, Hasher, isDigest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Descriptor, ImageManifest } from '../oci/manifest.ts'
import { DOCKER_CONFIG, OCI_CONFIG } from '../oci/media-types.ts'
import { PLUGIN_BINARY, signatureOf } from '../oci/plugin-artifact.ts'
import { isBinary } from '../plugin/analyze.ts'
import { PluginError } from '../plugin/error.ts'
import type { Examination } from '../plugin/examine.ts'
import type { BlobHandle, BlobStore } from '../store/contract.ts'
import type { Parts } from './parts.ts'

/** A memflow binary in a manifest. */
export interface FoundPlugin extends Examination {
  /** Always the sha256, which is what memflow knows it by. */
  readonly binary: Digest
  readonly size: number
  readonly signature: string | undefined
  /** The bytes, where they are not a blob under that digest yet: out of an archive, or pushed by another algorithm. */
  readonly bytes: Buffer | undefined
}

/** Archives are looked into up to these bounds; a larger one is stored like any blob and not searched. */
const TAR_LIMITS = { total: 256 * 1024 * 1024, entries: 1000 }

/** As many bytes tell what a blob is. */
const HEAD = 512

/** Bytes that are hashed in a fraction of a millisecond. */
const PART = 256 * 1024

/**
 * The plugins in an artifact: layers that are memflow binaries by their first bytes, and those in tar and tar+gzip layers.
 * Container images are not searched: their thousands of files are a system, not a plugin that somebody publishes.
 * Throws `PLUGIN_INVALID` where a layer says by its media type that it is one, and is not.
 */
export async function findPlugins(parts: Parts, manifest: ImageManifest): Promise<FoundPlugin[]> {
  const { mediaType } = manifest.config
  if (mediaType === OCI_CONFIG || mediaType === DOCKER_CONFIG) return []
  const found = new Map<Digest, FoundPlugin>()
  const looked = new Set<string>()
  for (const layer of manifest.layers) {
    // The same content is looked at once, however often it is named; and again where it says that it is a plugin.
    const content = `${layer.digest} ${layer.mediaType === PLUGIN_BINARY}`
    if (looked.has(content)) continue
    looked.add(content)
    for await (const plugin of inLayer(parts, layer)) {
      const signature = signatureOf(manifest, layer)
      if (!found.has(plugin.binary)) found.set(plugin.binary, { ...plugin, signature })
    }
  }
  return [...found.values()]
}

/** Whether plugins can be in the blob, by its first bytes. */
export async function mayHoldPlugins(store: BlobStore, digest: Digest): Promise<boolean> {
  const head = await read(store, digest, HEAD)
  return head !== undefined && (isBinary(head) || isTar(head) || isGzip(head))
}

type Unsigned = Omit<FoundPlugin, 'signature'>

async function* inLayer(parts: Parts, layer: Descriptor): AsyncIterable<Unsigned> {
  if (!isDigest(layer.digest)) return
  const head = await read(parts.store, layer.digest, HEAD)
  if (!head) return
  const claimed = layer.mediaType === PLUGIN_BINARY
  if (claimed || isBinary(head)) {
    const plugin = await examine(parts, layer.digest, claimed)
    if (plugin) yield plugin
  } else if (isTar(head) || isGzip(head)) {
    const handle = await parts.store.open(layer.digest)
    if (handle) yield* inTar(parts, handle, isGzip(head))
  }
}

async function examine(parts: Parts, layer: Digest, claimed: boolean): Promise<Unsigned | undefined> {
  const { analyzer, policy, store } = parts
  const size = (await store.stat(layer))?.size ?? 0
  if (size > policy.maxPluginSize) {
    if (claimed) throw new RegistryError('PLUGIN_TOO_LARGE', { detail: { limit: policy.maxPluginSize } })
    return undefined
  }
  const bytes = (await read(store, layer, size)) ?? Buffer.alloc(0)
  try {
    const examination = await analyzer.examine(bytes)
    const binary = algorithmOf(layer) === 'sha256' ? layer : await sha256(bytes)
    return { binary, size: bytes.length, ...examination, bytes: binary === layer ? undefined : bytes }
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
      const examination = await analyzer.examine(bytes).catch(none)
      if (examination) yield { binary: await sha256(bytes), size: bytes.length, ...examination, bytes }
    }
  } catch (error) {
    // What cannot be unpacked is no plugin, and a blob like any other.
    if (!(error instanceof TarError)) throw error
  }
}

function none(error: unknown): undefined {
  if (!(error instanceof PluginError)) throw error
}

/** By and by: a hash of a large file at once would hold up every request. */
async function sha256(bytes: Uint8Array): Promise<Digest> {
  const hasher = new Hasher()
  for (let at = 0; at < bytes.length; at += PART) {
    hasher.update(bytes.subarray(at, at + PART))
    await setImmediate()
  }
  return hasher.digest()
}

/** The first bytes of the blob, at most `max`. */
async function read(store: BlobStore, digest: Digest, max: number): Promise<Buffer | undefined> {
  const handle = await store.open(digest)
  if (!handle) return undefined
  const size = Math.min(handle.size, max)
  if (size > 0) return await readShared(handle.read({ start: 0, end: size - 1 }), size)
  await handle.close()
  return Buffer.alloc(0)
}

/** POSIX ustar and GNU tar both have `ustar` at 257. */
function isTar(head: Buffer): boolean {
  return head.toString('latin1', 257, 262) === 'ustar'
}

/** RFC 1952, 2.3.1. */
function isGzip(head: Buffer): boolean {
  return head[0] === 0x1f && head[1] === 0x8b
}

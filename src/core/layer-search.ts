import type { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { otherArchiveOf } from '../archive/other-archives.ts'
import type { Batch } from '../index/batch.ts'
import { put } from '../index/contract.ts'
import { type LayerPlugin, VERDICTS, type VerdictRow } from '../index/search-tables.ts'
import { readShared } from '../lib/shared.ts'
import { SingleFlight } from '../lib/single-flight.ts'
import { algorithmOf, type Digest, Hasher } from '../oci/digest.ts'
import { isBinary } from '../plugin/analyze.ts'
import { PluginError } from '../plugin/error.ts'
import { ANALYZER_VERSION } from '../plugin/facts.ts'
import type { BlobHandle } from '../store/contract.ts'
import { keepingBytes } from './changes.ts'
import type { Parts } from './parts.ts'
import { LAYER_LIMITS } from './search-budgets.ts'
import { storeBytes } from './store-bytes.ts'

/** What a layer is by its first bytes, if plugins can be in it. */
export type LayerKind = 'binary' | 'tar' | 'gzip'

/** A layer that is here and can hold plugins. */
export interface LookedAt {
  readonly kind: LayerKind
  /** In bytes. */
  readonly size: number
}

/** Goes up when other rules of this file, or of archive/tar-files.ts, find other plugins in the same layer. */
const SEARCH_VERSION = 2

/** As many bytes tell what a blob is. */
const HEAD = 512

/** Bytes that are hashed in a fraction of a millisecond. */
const PART = 256 * 1024

/**
 * Finds out which plugins are in layers. The verdict on a layer is remembered by its digest, so that no layer is
 * searched twice however many manifests name it. Plugins in archives are stored as blobs when they are found.
 */
export class LayerSearch {
  readonly #parts: Parts
  readonly #rules: string
  readonly #searches = new SingleFlight<VerdictRow>()
  /** Verdicts that are not in the index yet. */
  readonly #fresh = new Map<Digest, VerdictRow>()

  constructor(parts: Parts) {
    this.#parts = parts
    this.#rules = rulesOf(parts)
  }

  /** The verdict on a layer that is here and was searched before. */
  async known(layer: Digest): Promise<VerdictRow | undefined> {
    const { index, store } = this.#parts
    const verdict = this.#fresh.get(layer) ?? (await index.latest.get(VERDICTS, layer))
    if (verdict?.rules !== this.#rules) return undefined
    return (await store.stat(layer)) && verdict
  }

  /** Undefined when the layer is not here, or cannot hold plugins. */
  async look(layer: Digest): Promise<LookedAt | undefined> {
    const handle = await this.#parts.store.open(layer)
    if (!handle) return undefined
    const { size } = handle
    const kind = kindOf(await read(handle, HEAD))
    return kind && { kind, size }
  }

  /** Why plugins may be in a layer that `look` returned nothing for; undefined if it is not packed in a known way. */
  async unsearchable(layer: Digest): Promise<string | undefined> {
    const handle = await this.#parts.store.open(layer)
    if (!handle) return 'it is not here'
    const kind = otherArchiveOf(await read(handle, HEAD))
    return kind && `it is ${kind}; only tar and tar+gzip are searched`
  }

  /**
   * Searches a layer that is here. The verdict has to be put into the index by `remember`, or with a change by `put`.
   * Throws `TOOMANYREQUESTS`; `PluginError` when a file in it cost too much, which is not remembered, because a busy
   * machine may be the cause.
   */
  search(layer: Digest, { kind, size }: LookedAt, owner: string): Promise<VerdictRow> {
    return this.#searches.run(layer, async () => {
      const known = this.#fresh.get(layer)
      if (known) return known
      const verdict = await (kind === 'binary'
        ? this.#examine(layer, size, owner)
        : this.#unpack(layer, size, kind, owner))
      this.#fresh.set(layer, verdict)
      return verdict
    })
  }

  /** Bytes that a layer has unpacked to beyond its size. */
  amplificationOf({ size }: LookedAt, { bytes }: VerdictRow): number {
    return Math.max(0, bytes - size)
  }

  /** Part of a larger change: the verdicts that are not in the index yet. Call `forget` when it has ended. */
  put(batch: Batch, layers: readonly Digest[]): void {
    for (const layer of layers) {
      const verdict = this.#fresh.get(layer)
      if (verdict) batch.put(VERDICTS, [layer], verdict)
    }
  }

  /** Part of a larger change: the verdict on a layer that was examined elsewhere and is a plugin. */
  putPlugin(batch: Batch, { binary, size, descriptors, facts }: LayerPlugin): void {
    const verdict = this.#verdict(size, 1, [{ binary, size, descriptors, facts }])
    batch.put(VERDICTS, [binary], verdict)
  }

  forget(layers: readonly Digest[]): void {
    for (const layer of layers) this.#fresh.delete(layer)
  }

  /** Puts verdicts into the index that no change has taken along, because the push was refused; if that is possible. */
  async remember(layers: readonly Digest[]): Promise<void> {
    const rows = layers.flatMap(layer => {
      const verdict = this.#fresh.get(layer)
      return verdict ? [put(VERDICTS, [layer], verdict)] : []
    })
    // When the index takes no writes, they are found out again.
    if (rows.length > 0) await this.#parts.index.apply(rows).catch(() => {})
    this.forget(layers)
  }

  /** Why the layer, which is here, is no plugin binary; undefined when it is one, or too large to tell. */
  async refusalOf(layer: Digest, owner: string): Promise<string | undefined> {
    const size = (await this.#parts.store.stat(layer))?.size ?? 0
    return (await this.#examine(layer, size, owner)).refusal
  }

  /** Stores a plugin in an archive again, if its blob has gone since. Inside of `keepingBytes`. */
  async ensureStored(archive: Digest, binary: Digest): Promise<void> {
    if (await this.#parts.store.stat(binary)) return
    const looked = await this.look(archive)
    if (looked?.kind === 'binary') await this.#examine(archive, looked.size, '')
    else if (looked) await this.#unpack(archive, looked.size, looked.kind, '')
  }

  async #examine(layer: Digest, size: number, owner: string): Promise<VerdictRow> {
    const { analyzer, policy, store } = this.#parts
    if (size > policy.maxPluginSize) {
      const unread = `it is a binary of more than ${policy.maxPluginSize} bytes`
      return this.#verdict(0, 1, [], { unread })
    }
    const handle = await store.open(layer)
    const bytes = handle ? await read(handle, size) : Buffer.alloc(0)
    try {
      const examination = await analyzer.examine(bytes, owner)
      const binary = algorithmOf(layer) === 'sha256' ? layer : await sha256(bytes)
      if (binary !== layer) await this.#store(binary, bytes)
      return this.#verdict(size, 1, [{ binary, size, ...examination }])
    } catch (error) {
      if (!(error instanceof PluginError) || error.kind === 'too-complex') throw error
      return this.#verdict(size, 1, [], { refusal: error.reason })
    }
  }

  async #unpack(layer: Digest, size: number, kind: 'tar' | 'gzip', owner: string): Promise<VerdictRow> {
    const { analyzer, policy } = this.#parts
    const { ratio, free, ...limits } = LAYER_LIMITS
    const gzip = kind === 'gzip'
    const bytes = gzip ? Math.min(limits.bytes, Math.max(free, ratio * size)) : limits.bytes
    const plugins: LayerPlugin[] = []
    const unpacked = await analyzer.unpack(
      () => this.#open(layer),
      { gzip, limits: { ...limits, bytes, file: policy.maxPluginSize } },
      async ({ binary, bytes, descriptors, facts }) => {
        await this.#store(binary, bytes)
        plugins.push({ binary, size: bytes.length, descriptors, facts })
      },
      owner,
    )
    const { bytes: cost, entries, ...incomplete } = unpacked
    return this.#verdict(cost, Math.max(1, entries), plugins, incomplete)
  }

  async #open(layer: Digest): Promise<Readable> {
    const handle = await this.#parts.store.open(layer)
    if (handle) return handle.read()
    throw new Error(`the blob ${layer} has gone while it was to be searched`)
  }

  /** Garbage collection removes it after the grace period if no manifest claims it. */
  #store(binary: Digest, bytes: Uint8Array): Promise<unknown> {
    const { index, store } = this.#parts
    return keepingBytes(index, [binary], () => storeBytes(store, bytes, binary))
  }

  #verdict(
    bytes: number,
    entries: number,
    plugins: readonly LayerPlugin[],
    more: Pick<VerdictRow, 'past' | 'unread' | 'refusal'> = {},
  ): VerdictRow {
    return { rules: this.#rules, bytes, entries, plugins, ...more }
  }
}

/** What a verdict depends on beside the layer. */
export function rulesOf({ policy }: Pick<Parts, 'policy'>): string {
  return `${ANALYZER_VERSION}.${SEARCH_VERSION}.${policy.maxPluginSize}`
}

/** In parts, because the hash of a large file at once would hold up every request. */
async function sha256(bytes: Uint8Array): Promise<Digest> {
  const hasher = new Hasher()
  for (let at = 0; at < bytes.length; at += PART) {
    hasher.update(bytes.subarray(at, at + PART))
    await setImmediate()
  }
  return hasher.digest()
}

/** The first bytes of the blob, at most `max`. Closes the handle. */
async function read(handle: BlobHandle, max: number): Promise<Buffer> {
  const size = Math.min(handle.size, max)
  if (size > 0) return await readShared(handle.read({ start: 0, end: size - 1 }), size)
  await handle.close()
  return Buffer.alloc(0)
}

function kindOf(head: Buffer): LayerKind | undefined {
  if (isBinary(head)) return 'binary'
  if (isGzip(head)) return 'gzip'
  return isTar(head) ? 'tar' : undefined
}

/** POSIX ustar and GNU tar both have `ustar` at 257. */
function isTar(head: Buffer): boolean {
  return head.toString('latin1', 257, 262) === 'ustar'
}

/** RFC 1952, 2.3.1. */
function isGzip(head: Buffer): boolean {
  return head[0] === 0x1f && head[1] === 0x8b
}

import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { Level } from 'level'
import { pack } from 'tar-stream'
import { unpack } from '../../src/analyzer/unpack.ts'
import type { Conditions } from '../../src/core/manifests.ts'
import { Mirrors } from '../../src/core/mirror/mirrors.ts'
import type { Analyzer, Parts, Policy } from '../../src/core/parts.ts'
import { Registry } from '../../src/core/registry.ts'
import type { Table } from '../../src/index/contract.ts'
import { LevelIndex } from '../../src/index/level-index.ts'
import { Clock } from '../../src/lib/clock.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { DOCUMENTS_HERE, type Documents } from '../../src/oci/documents.ts'
import type { Descriptor } from '../../src/oci/manifest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { parseRepository, parseTag, type Repository, type Tag } from '../../src/oci/name.ts'
import { SIGNATURE_ANNOTATION, SIGNATURE_TYPE } from '../../src/oci/plugin-artifact.ts'
import { examine } from '../../src/plugin/examine.ts'
import { loadKeys } from '../../src/signature/keys.ts'
import { Verifier } from '../../src/signature/verifier.ts'
import type { BlobHandle } from '../../src/store/contract.ts'
import { FsBlobStore } from '../../src/store/fs-store.ts'
import { type Database, watched } from './level.ts'
import { EMPTY, type Located } from './oci.ts'
import { returnStorage, storages, takeStorage } from './storage.ts'
import { tmpDir } from './tmp.ts'

export const MIB = 1024 * 1024

/** What a name or a tag stands for in these specs: checked once, so that they read as plain text. */
export const repo = (name: string): Repository => parseRepository(name)
export const tag = (name: string): Tag => parseTag(name)

/** A blob of the repository, opened as handlers do. */
export async function openBlob(
  { blobs }: Registry,
  repository: Repository,
  digest: Digest,
): Promise<BlobHandle> {
  return await blobs.open(digest, await blobs.stat(repository, digest))
}

export interface CoreOptions {
  /** Files with public keys, as MEMFLOW_PUBLIC_KEY_FILE names them. */
  readonly keys?: string
  /** The same of memflow upstreams. */
  readonly upstreamKeys?: string
  readonly policy?: Partial<Policy>
  /** A store that several registries share; else one in the folder. */
  readonly store?: FsBlobStore
  /** An index behind its journal; else a LevelDB alone, in the folder. */
  readonly index?: LevelIndex
  readonly clock?: Clock
  /** What of it is not as usual. */
  readonly analyzer?: Partial<Analyzer>
  readonly documents?: Documents
  readonly mirrors?: Mirrors
  readonly report?: (error: unknown) => void
}

/** An analyzer without threads, which saves their start. */
export const IN_PROCESS: Analyzer = {
  examine: async file => examine(file),
  unpack: async (open, options, onPlugin) => {
    const plugins = unpack(await open(), options)
    for (;;) {
      const next = await plugins.next()
      if (next.done) return next.value
      await onPlugin(next.value)
    }
  },
}

function isWhole(analyzer: Partial<Analyzer> | undefined): analyzer is Analyzer {
  return analyzer?.examine !== undefined && analyzer.unpack !== undefined
}

/** How a pusher wraps a binary. */
export type Wrapping = 'raw' | 'tar' | 'tar+gzip'

export interface PluginPush {
  readonly as?: Wrapping
  readonly mediaType?: string
  readonly signature?: string
  /** Where the signature goes. */
  readonly on?: 'layer' | 'manifest'
  readonly artifactType?: string
}

/** A registry of real parts in a folder, with what a client does on the way to a manifest. */
export class CoreRegistry extends Registry {
  readonly parts: Parts
  readonly store: FsBlobStore
  readonly index: LevelIndex
  readonly #level: ReturnType<typeof watched> | undefined

  private constructor(
    store: FsBlobStore,
    index: LevelIndex,
    options: CoreOptions,
    verifier: Verifier,
    level?: ReturnType<typeof watched>,
  ) {
    const parts: Parts = {
      store,
      index,
      analyzer: isWhole(options.analyzer) ? options.analyzer : { ...IN_PROCESS, ...options.analyzer },
      documents: options.documents ?? DOCUMENTS_HERE,
      verifier,
      clock: options.clock ?? new Clock(),
      policy: {
        maxPluginSize: 20 * MIB,
        maxBlobSize: 64 * MIB,
        requireSignature: false,
        sparseManifests: false,
        uploadTtl: 24 * 3_600_000,
        gcGrace: 24 * 3_600_000,
        mirrorMaxSize: Number.POSITIVE_INFINITY,
        mirrorFinish: 4 * MIB,
        ...options.policy,
      },
      mirrors: options.mirrors ?? new Mirrors(),
    }
    super(parts, options.report)
    this.parts = parts
    this.store = store
    this.index = index
    this.#level = level
  }

  static async open(folder: string, options: CoreOptions = {}): Promise<CoreRegistry> {
    const store = options.store ?? (await FsBlobStore.open(folder))
    const verifier = new Verifier(
      await loadKeys(options.keys ?? ''),
      await loadKeys(options.upstreamKeys ?? ''),
    )
    if (options.index) return new CoreRegistry(store, options.index, options, verifier)
    const db: Database = new Level(join(folder, 'index'), { valueEncoding: 'utf8' })
    await db.open()
    const level = watched(db)
    return new CoreRegistry(store, new LevelIndex(level.db), options, verifier, level)
  }

  /** What an index alone in its folder reads and writes. */
  get level(): ReturnType<typeof watched> {
    if (!this.#level) throw new Error('what is behind a journal is not watched')
    return this.#level
  }

  override async close(): Promise<void> {
    await super.close()
    await this.index.close()
  }

  /** A whole blob in one request. */
  async pushBlob(
    repository: string,
    content: string | Uint8Array,
    mediaType = 'application/octet-stream',
  ): Promise<Located> {
    const bytes = Buffer.from(content as string)
    const digest = digestOf(bytes)
    await this.uploads.whole(repo(repository), once(bytes), digest)
    return { mediaType, digest, size: bytes.length }
  }

  /** PUT of a document under a tag, or its digest where that is undefined. */
  async pushManifest(
    repository: string,
    reference: string | undefined,
    document: object,
    options: Conditions & { tags?: readonly Tag[] } = {},
  ): Promise<Located> {
    const bytes = Buffer.from(JSON.stringify(document))
    const { mediaType = OCI_MANIFEST } = document as { mediaType?: string }
    const at = reference === undefined ? digestOf(bytes) : tag(reference)
    const { digest } = await this.manifests.put(repo(repository), at, bytes, mediaType, options)
    return { mediaType, digest, size: bytes.length }
  }

  /** An artifact of those layers and the empty config; `more` overrides. */
  async pushImage(
    repository: string,
    reference: string | undefined,
    layers: readonly Descriptor[],
    more: object = {},
    options: Conditions & { tags?: readonly Tag[] } = {},
  ): Promise<Located> {
    await this.pushBlob(repository, '{}')
    const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: EMPTY, layers, ...more }
    return await this.pushManifest(repository, reference, document, options)
  }

  /** `oras push` of a plugin. */
  async pushPlugin(
    repository: string,
    reference: string | undefined,
    file: Uint8Array,
    {
      as = 'raw',
      mediaType = 'application/octet-stream',
      signature,
      on = 'manifest',
      artifactType,
    }: PluginPush = {},
  ): Promise<Located> {
    const layer = await this.pushBlob(repository, await wrap(file, as), mediaType)
    const annotations = signature === undefined ? {} : { [SIGNATURE_ANNOTATION]: signature }
    return await this.pushImage(repository, reference, [on === 'layer' ? { ...layer, annotations } : layer], {
      artifactType: artifactType ?? 'application/vnd.unknown.artifact.v1',
      ...(on === 'manifest' && { annotations }),
    })
  }

  /** `oras attach` of a signature. */
  async pushSignature(repository: string, subject: Descriptor, signature: string): Promise<Located> {
    return await this.pushImage(repository, undefined, [EMPTY], {
      artifactType: SIGNATURE_TYPE,
      subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
      annotations: { [SIGNATURE_ANNOTATION]: signature },
    })
  }

  /** POST /files. */
  async publish(file: Uint8Array, signature = ''): Promise<boolean> {
    const upload = await this.plugins.stage(once(file))
    try {
      return await this.plugins.publish(upload, signature)
    } finally {
      await upload.abort()
    }
  }

  /** All rows of a table, keys joined by a space. */
  async rows<Row>(table: Table<readonly string[], Row>): Promise<Record<string, Row>> {
    const entries = await this.index.page(table, [])
    return Object.fromEntries(entries.map(({ key, row }) => [key.join(' '), row]))
  }

  /** Digests of all blobs in the store. */
  async stored(): Promise<Digest[]> {
    const digests: Digest[] = []
    for await (const { digest } of this.store.list()) digests.push(digest)
    return digests
  }

  /** What GET /plugins/{name} lists, as `version abi digest`. */
  async listed(name: string): Promise<string[]> {
    const rows = await this.plugins.variants(name, {}, 0, 50)
    return rows.map(
      ({ digest, descriptor }) => `${descriptor.version} ${descriptor.plugin_version} ${digest.slice(0, 7)}`,
    )
  }

  async names(): Promise<string[]> {
    return (await this.plugins.names()).map(({ name }) => name)
  }

  async tags(repository: string): Promise<readonly string[]> {
    return (await this.discovery.tags(repo(repository), 1000)).items
  }

  /** The parsed manifest at a tag or digest. */
  async manifest(
    repository: string,
    reference: string,
  ): Promise<Record<string, unknown> & { digest: Digest }> {
    const at = reference.includes(':') ? (reference as Digest) : tag(reference)
    const { digest, bytes } = await this.manifests.get(repo(repository), at)
    return { ...JSON.parse(Buffer.from(bytes).toString()), digest }
  }

  /** The entries of an image index, `os/architecture` to digest. */
  async platforms(repository: string, reference: string): Promise<Record<string, string>> {
    const { manifests } = (await this.manifest(repository, reference)) as unknown as {
      manifests: Descriptor[]
    }
    return Object.fromEntries(
      manifests.map(({ digest, platform }) => [`${platform?.os}/${platform?.architecture}`, digest]),
    )
  }
}

/** The bytes as the one chunk of a body. */
export async function* once(bytes: string | Uint8Array): AsyncGenerator<Uint8Array> {
  yield Buffer.from(bytes as string)
}

export async function wrap(file: Uint8Array, as: Wrapping): Promise<Uint8Array> {
  if (as === 'raw') return file
  const archive = await tarOf({ 'README.md': Buffer.from('# A plugin'), 'lib/libmemflow.so': file })
  return as === 'tar' ? archive : gzipSync(archive)
}

export async function tarOf(files: Record<string, Uint8Array>): Promise<Buffer> {
  const packed = pack()
  for (const [name, bytes] of Object.entries(files)) {
    packed.entry({ name, mtime: new Date(0) }, Buffer.from(bytes))
  }
  packed.finalize()
  return await buffer(packed as unknown as NodeJS.ReadableStream)
}

/** A clock that stands at what it was told last, in nanoseconds. */
export class StoppedClock extends Clock {
  time = 0n

  override now(): bigint {
    return this.time
  }

  override system(): bigint {
    return this.time
  }
}

/**
 * Inside a describe block: `const open = registries()`; then `await open()` is a new empty registry each time, closed
 * behind the test, or the block, in which it was opened. They share one store, whose blobs are named by their content.
 */
export function registries(): (options?: CoreOptions & { ownStore?: true }) => Promise<CoreRegistry> {
  const opened: CoreRegistry[] = []
  let ofBlock = 0
  let shared: string
  let store: FsBlobStore | undefined
  const close = (from: number) => Promise.all(opened.splice(from).map(registry => registry.close()))

  before(async () => {
    shared = await takeStorage()
  })

  beforeEach(() => {
    ofBlock = opened.length
  })

  afterEach(() => close(ofBlock))

  after(async () => {
    await close(0)
    await returnStorage(shared)
  })

  const storage = storages()
  const fresh = tmpDir()

  return async ({ ownStore, ...options } = {}) => {
    if (!ownStore) store ??= await FsBlobStore.open(shared)
    const folder = ownStore ? await storage() : await fresh()
    const registry = await CoreRegistry.open(folder, ownStore || !store ? options : { store, ...options })
    opened.push(registry)
    return registry
  }
}

import { randomBytes } from 'node:crypto'
import type Koa from 'koa'
import { WorkerAnalyzer } from './analyzer/pool.ts'
import { type KeptToken, keptToken, tokenThere } from './bearer-token.ts'
import { type Config, ConfigError } from './config.ts'
import { continueClock } from './core/last-time.ts'
import { ClientRates } from './core/mirror/client-rates.ts'
import { Mirrors } from './core/mirror/mirrors.ts'
import type { Parts, Policy } from './core/parts.ts'
import { Registry } from './core/registry.ts'
import { WorkerDocuments } from './documents/pool.ts'
import { Access } from './http/access.ts'
import { createApp } from './http/app.ts'
import { IndexFolder } from './index/index-folder.ts'
import type { LevelIndex } from './index/level-index.ts'
import { copyForReading } from './index/reading-copy.ts'
import { Clock } from './lib/clock.ts'
import { errno, isOutOfSpace } from './lib/errno.ts'
import { every } from './lib/every.ts'
import { spareDescriptors } from './lib/spare-descriptors.ts'
import { inWords } from './lib/system-error.ts'
import type { Logger } from './log.ts'
import type { MirrorSettings } from './mirror-settings.ts'
import type { Documents } from './oci/documents.ts'
import { HttpMemflowUpstream } from './remote/memflow-upstream.ts'
import { HttpOciUpstream } from './remote/oci-upstream.ts'
import { type Key, loadKeys } from './signature/keys.ts'
import { Verifier } from './signature/verifier.ts'
import { FsBlobStore, type FsStoreOptions } from './store/fs-store.ts'
import type { Damage } from './store/inspector.ts'
import { assertOwner } from './store/owner.ts'
import { readOnlyError, readOnlyReason } from './store/read-only.ts'

/** A crash forgets the blobs that were verified since, which are then read once more. */
const REMEMBER_EVERY_MS = 10 * 60_000

/** Kept back from connections: for the index to be opened again, a segment of the journal, and a few pushes and pulls. */
const SPARE_DESCRIPTORS = 24

/** Parts that take other settings while they are in use. */
export interface Live {
  readonly verifier: Verifier
  readonly policy: { -readonly [K in keyof Policy]: Policy[K] }
}

/** A registry put together, ready to be served. */
export interface Composition {
  /** What can be changed while it is served, see commands/reload.ts. */
  readonly live: Live
  readonly app: Koa
  readonly keys: readonly Key[]
  /** Undefined where the settings have a token. */
  readonly token: KeptToken | undefined
  readonly close: () => Promise<void>
}

/** Settings to running parts; the only file that names implementations. Throws `ConfigError` for what the settings point at. */
export async function compose(config: Config, log: Logger): Promise<Composition> {
  const { parts, keys, close } = await openParts(config, log)
  const policy = { ...config }
  spareDescriptors.keep(SPARE_DESCRIPTORS)
  const index = await openIndex(config, log)
  await startClock(parts.clock, index, log)
  const readOnly: Error | undefined = (await index.check().catch((error: Error) => error)) ?? undefined
  if (readOnly) log.warn(readOnly.message)
  const keep = readOnly ? tokenThere : keptToken
  const token =
    config.bearerToken === undefined ? await keep(config.storageRoot).catch(unusable(config)) : undefined
  // What has no place to be written is not fetched.
  const fixed = readOnly && {
    mirrors: new Mirrors(),
    policy: Object.assign(policy, { mirrorMaxSize: Number.POSITIVE_INFINITY }),
  }
  const registry = new Registry({ ...parts, policy, index, ...fixed }, error =>
    log.error({ err: error }, 'work in the background failed'),
  )
  const access = new Access(config.bearerToken ?? token?.token ?? randomBytes(32).toString('hex'), config)
  if (!readOnly)
    await registry.collector.begin().catch(error => log.error({ err: error }, 'garbage is not collected'))
  if (await registry.collector.isLost()) {
    await Promise.all([close(), index.close()])
    throw new ConfigError(
      `MEMFLOW_STORAGE_ROOT: ${config.storageRoot} has blobs, and its index and journal are lost: restore a backup, ` +
        'or begin with what is pushed from now on by memflow-registry reindex',
    )
  }
  if (!readOnly) registry.search.wake()
  // Also where no garbage is collected: staged bytes are bounded by their age.
  const unlessReadOnly = (millis: number) => (readOnly ? Number.POSITIVE_INFINITY : millis)
  const expiring = every(unlessReadOnly(Math.min(config.uploadTtl / 4, 3_600_000)), () =>
    expireUploads(registry, log),
  )
  const collecting = every(unlessReadOnly(config.gcEvery), signal => collectGarbage(registry, log, signal))
  const evicting = every(Number.isFinite(policy.mirrorMaxSize) ? 60_000 : Number.POSITIVE_INFINITY, signal =>
    evictMirrored(registry, log, signal),
  )
  return {
    app: createApp(registry, access, log, config),
    keys,
    live: { verifier: parts.verifier, policy },
    token,
    close: async () => {
      await Promise.all([expiring.stop(), collecting.stop(), evicting.stop(), registry.close()])
      await close()
      await index.close()
      spareDescriptors.keep(0)
    },
  }
}

/** How far the clock of the system may be behind without a word, in nanoseconds. */
const BEHIND_NS = 60_000_000_000n

/** Lets the times of the registry go on after the last one in the index. */
export async function startClock(clock: Clock, index: LevelIndex, log: Logger): Promise<void> {
  const behind = await continueClock(index, clock)
  if (behind <= BEHIND_NS) return
  log.warn(
    { behindSeconds: Number(behind / 1_000_000_000n) },
    "the clock of this machine is behind the last push: new pushes are dated after that one, and the registry's time " +
      'runs at half speed until the clock has caught up; set the clock if it is wrong',
  )
}

async function expireUploads({ collector }: Registry, log: Logger): Promise<void> {
  try {
    const uploads = await collector.expireUploads()
    if (uploads > 0) log.info({ uploads }, 'abandoned uploads expired')
  } catch (error) {
    log.error({ err: error }, 'abandoned uploads could not be expired')
  }
}

async function collectGarbage({ collector }: Registry, log: Logger, signal: AbortSignal): Promise<void> {
  const began = performance.now()
  try {
    const collected = await collector.collect({ gentle: true, signal })
    log.info({ ...collected, ms: Math.round(performance.now() - began) }, 'garbage was collected')
  } catch (error) {
    if (!signal.aborted) log.error({ err: error }, 'garbage could not be collected')
  }
}

async function evictMirrored({ eviction }: Registry, log: Logger, signal: AbortSignal): Promise<void> {
  try {
    const evicted = await eviction.run(signal)
    if (evicted) log.info(evicted, 'mirrored content was evicted')
  } catch (error) {
    if (!signal.aborted) log.error({ err: error }, 'mirrored content could not be evicted')
  }
}

/** All that the rules stand on but the index, which some commands make themselves. Throws `ConfigError`. */
export async function openParts(
  config: Config,
  log: Logger,
  { onDamage, ...ofStore }: Pick<FsStoreOptions, 'onDamage' | 'quarantine'> = {},
): Promise<{
  parts: Omit<Parts, 'index'> & Pick<Live, 'verifier'>
  keys: readonly Key[]
  close: () => Promise<void>
}> {
  const { keys, upstreamKeys } = await readKeyFiles(config)
  const store = await openStore(
    config,
    onDamage ??
      (({ failure, ...damage }) =>
        log.error({ ...damage, err: failure }, 'a damaged blob is out of service')),
    ofStore,
  )
  const remember = () =>
    store.remember().catch(error => log.debug({ err: error }, 'verified blobs could not be remembered'))
  const remembering = every(REMEMBER_EVERY_MS, remember)
  const analyzer = new WorkerAnalyzer({
    onOverrun: overrun => log.warn(overrun, 'a file was not searched for plugins to its end'),
  })
  const documents = new WorkerDocuments()
  const mirrors = openMirrors(config, documents)
  const parts = {
    store,
    analyzer,
    documents,
    verifier: new Verifier(keys, upstreamKeys),
    clock: new Clock(),
    policy: config,
    mirrors,
  }
  const close = async () => {
    await Promise.all([analyzer.close(), documents.close(), remembering.stop()])
    await remember()
  }
  return { parts, keys, close }
}

/** No connection is made before something is asked for. */
function openMirrors({ mirrors, maxPluginSize, mirrorRate }: Config, documents: Documents): Mirrors {
  const ofKind = (wanted: MirrorSettings['kind']) => mirrors.filter(({ kind }) => kind === wanted)
  return new Mirrors(
    ofKind('oci').map(rules => ({ rules, upstream: new HttpOciUpstream(rules, { documents }) })),
    ofKind('memflow').map(rules => {
      const maxBlobSize = Math.min(rules.maxBlobSize, maxPluginSize)
      return { rules, upstream: new HttpMemflowUpstream({ ...rules, maxBlobSize }, { documents }) }
    }),
    new ClientRates(mirrorRate),
  )
}

/** The public keys of this registry and those of its upstreams. Throws `ConfigError`, which names the setting. */
export async function readKeyFiles({ publicKeyFile, mirrors }: Config) {
  const keys = await readKeys('MEMFLOW_PUBLIC_KEY_FILE', publicKeyFile)
  const ofMirrors = await Promise.all(
    mirrors.map(mirror => readKeys(`the publicKeyFile of the mirror ${mirror.name}`, mirror.publicKeyFile)),
  )
  return { keys, upstreamKeys: ofMirrors.flat() }
}

function readKeys(setting: string, files = ''): Promise<Key[]> {
  return loadKeys(files).catch(error => {
    throw new ConfigError(`${setting}: ${(error as Error).message}`, { cause: error })
  })
}

/** The blobs alone. Throws `ConfigError`, also if the storage belongs to another user. */
export async function openStore(
  config: Config,
  onDamage: (damage: Damage) => void,
  more: Pick<FsStoreOptions, 'quarantine'> = {},
): Promise<FsBlobStore> {
  const { storageRoot, verifyEvery, minFreeSpace } = config
  const reason = await readOnlyReason(storageRoot)
  if (reason === undefined) await assertOwner(storageRoot).catch(unusable(config))
  const readOnly = reason === undefined ? undefined : readOnlyError(reason)
  const options = { verifyEvery, minFreeSpace, onDamage, readOnly, ...more }
  return FsBlobStore.open(storageRoot, options).catch(unusable(config))
}

/**
 * The index behind its journal; a copy of it that takes no changes if the storage cannot be written, or has no space left
 * for opening it. Throws `ConfigError`; `StorageInUse` where another process has it.
 */
export async function openIndex(config: Config, log: Logger): Promise<LevelIndex> {
  const report = (error: unknown) => log.error({ err: error }, 'the index failed in the background')
  const reason = await readOnlyReason(config.storageRoot)
  if (reason !== undefined) return openToRead(config, reason)
  return new IndexFolder(config.storageRoot)
    .open(report)
    .catch(error => (isOutOfSpace(error) ? openToRead(config, 'its disk is full') : unusable(config)(error)))
}

async function openToRead(config: Config, reason: string): Promise<LevelIndex> {
  const copy = await copyForReading(config.storageRoot).catch(unusable(config))
  try {
    return await new IndexFolder(copy.root).openToRead(readOnlyError(reason), copy.remove)
  } catch (error) {
    await copy.remove()
    return unusable(config)(error as Error)
  }
}

/** The storage is open in another process. */
export class StorageInUse extends ConfigError {}

/** What went wrong with the storage folder, as a `ConfigError`. */
export function unusable({ storageRoot }: Config) {
  return (error: Error): never => {
    if (error instanceof ConfigError) throw error
    // LevelDB says only in the cause why it could not be opened.
    const cause = errno(error)?.startsWith('LEVEL_') && error.cause instanceof Error ? error.cause : error
    const inUse = errno(cause) === 'LEVEL_LOCKED'
    const reason = inUse ? 'another process is serving it' : inWords(cause)
    throw new (inUse ? StorageInUse : ConfigError)(
      `MEMFLOW_STORAGE_ROOT: ${storageRoot} cannot be used: ${reason}`,
      { cause: error },
    )
  }
}

import { join } from 'node:path'
import type Koa from 'koa'
import { type KeptToken, keptToken } from './bearer-token.ts'
import { type Config, ConfigError } from './config.ts'
import { Registry } from './core/registry.ts'
import { Access } from './http/access.ts'
import { createApp } from './http/app.ts'
import { LevelIndex } from './index/level-index.ts'
import { Clock } from './lib/clock.ts'
import type { Logger } from './log.ts'
import { analyze } from './plugin/analyze.ts'
import { type Key, loadKeys } from './signature/keys.ts'
import { Verifier } from './signature/verifier.ts'
import { FsBlobStore } from './store/fs-store.ts'

/** A registry put together, ready to be served. */
export interface Composition {
  readonly app: Koa
  readonly keys: readonly Key[]
  /** Undefined where the settings have a token. */
  readonly token: KeptToken | undefined
  readonly close: () => Promise<void>
}

/** Settings to running parts; the only file that names implementations. Throws `ConfigError` for what the settings point at. */
export async function compose(config: Config, log: Logger): Promise<Composition> {
  const keys = await loadKeys(config.publicKeyFile ?? '').catch(error => {
    throw new ConfigError(`MEMFLOW_PUBLIC_KEY_FILE: ${(error as Error).message}`, { cause: error })
  })
  const store = await FsBlobStore.open(config.storageRoot).catch(unusable(config))
  const index = await LevelIndex.open(join(config.storageRoot, 'index')).catch(unusable(config))
  const token = config.bearerToken === undefined ? await keptToken(config.storageRoot) : undefined
  const registry = new Registry({
    store,
    index,
    analyzer: { analyze: async file => analyze(file) },
    verifier: new Verifier(keys),
    clock: new Clock(),
    policy: config,
  })
  const access = new Access(config.bearerToken ?? token?.token ?? '', config.publicUrl)
  const expiry = setInterval(expire, Math.min(config.uploadTtl / 4, 3_600_000))
  expiry.unref()
  return {
    app: createApp(registry, access, log, config),
    keys,
    token,
    close: async () => {
      clearInterval(expiry)
      await index.close()
    },
  }

  async function expire(): Promise<void> {
    try {
      const uploads = await store.expireUploads(new Date(Date.now() - config.uploadTtl))
      if (uploads > 0) log.info({ uploads }, 'abandoned uploads expired')
    } catch (error) {
      log.error({ err: error }, 'abandoned uploads could not be expired')
    }
  }
}

function unusable({ storageRoot }: Config) {
  return (error: Error): never => {
    const cause = error.cause instanceof Error ? error.cause : error
    const reason = /lock/i.test(cause.message) ? 'another process is serving it' : cause.message
    throw new ConfigError(`MEMFLOW_STORAGE_ROOT: ${storageRoot} cannot be used: ${reason}`, { cause: error })
  }
}

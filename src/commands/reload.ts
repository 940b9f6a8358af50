import { isDeepStrictEqual } from 'node:util'
import { type Live, readKeyFiles } from '../compose.ts'
import { type Config, ConfigError } from '../config.ts'
import type { ConnectionLimits } from '../http/connections.ts'
import type { Logger } from '../log.ts'
import { SETTINGS } from '../settings.ts'
import { connectionLimits } from './connection-limits.ts'

/** Settings of the policy that can change while requests are under way: each request reads them once it needs them. */
const OF_POLICY = [
  'maxBlobSize',
  'requireSignature',
  'sparseManifests',
  'uploadTtl',
  'gcGrace',
  'mirrorFinish',
] as const

/** Everything else is part of what was made at the start. */
const RELOADED = new Set<string>([
  ...OF_POLICY,
  'publicKeyFile',
  'logLevel',
  'maxConnections',
  'maxConnectionsPerAddress',
  'mirrors',
])

/** What takes other settings while it is in use. */
export interface Reloadable extends Live {
  readonly log: Logger
  readonly limits: { -readonly [K in keyof ConnectionLimits]: ConnectionLimits[K] }
}

/** Reads the settings anew while the registry serves. No request under way is touched. */
export class Reload {
  #config: Config
  readonly #read: () => Config
  readonly #target: Reloadable
  #running: Promise<void> = Promise.resolve()

  /** `read` returns the settings as they are now, and throws `ConfigError` as `loadConfig` does. */
  constructor(config: Config, read: () => Config, target: Reloadable) {
    this.#config = config
    this.#read = read
    this.#target = target
  }

  /** One after the other. Settings that are wrong change nothing, and are logged with the reason. */
  run(): Promise<void> {
    this.#running = this.#running.then(async () => {
      const { log } = this.#target
      try {
        await this.#apply(this.#read())
      } catch (error) {
        if (error instanceof ConfigError) log.error(`nothing was reloaded: ${error.message}`)
        else log.error({ err: error }, 'nothing was reloaded')
      }
    })
    return this.#running
  }

  async #apply(config: Config): Promise<void> {
    const { log, limits, policy, verifier } = this.#target
    // All that can fail comes first, so that it is all or nothing.
    const { keys, upstreamKeys } = await readKeyFiles(config)
    const connections = connectionLimits(config)
    const later = notReloaded(this.#config, config)
    verifier.use(keys, upstreamKeys)
    Object.assign(limits, connections)
    Object.assign(policy, Object.fromEntries(OF_POLICY.map(key => [key, config[key]])))
    log.level = config.logLevel === 'off' ? 'silent' : config.logLevel
    this.#config = {
      ...this.#config,
      ...Object.fromEntries([...RELOADED].map(key => [key, config[key as keyof Config]])),
    }
    log.info(
      { keys: keys.map(({ fingerprint, source }) => ({ fingerprint, source })) },
      'the settings were reloaded; plugins that are here are listed by these keys after memflow-registry reindex',
    )
    for (const name of later) log.warn(`${name}: it was changed, which takes effect at the next start`)
  }
}

/** The names of settings that are others, and were used up at the start. */
function notReloaded(from: Config, to: Config): string[] {
  const names = Object.entries(SETTINGS).flatMap(([key, { name }]) => {
    const at = key as keyof Config
    return RELOADED.has(key) || isDeepStrictEqual(from[at], to[at]) ? [] : [name]
  })
  const rules = ({ mirrors }: Config) => mirrors.map(({ publicKeyFile: _, ...mirror }) => mirror)
  return isDeepStrictEqual(rules(from), rules(to)) ? names : [...names, 'the mirrors, but for their keys']
}

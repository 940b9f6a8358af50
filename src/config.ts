import { isIPv4 } from 'node:net'
import { nearest } from './lib/nearest.ts'
import { loadMirrors, type MirrorSettings } from './mirror-settings.ts'
import { ALL_SETTINGS, SETTINGS, type Setting } from './settings.ts'

type Table = typeof SETTINGS
type Value<S> = S extends { parse: (text: string) => infer T }
  ? S extends { preset: string }
    ? Exclude<T, undefined>
    : T | undefined
  : never

/** All settings, checked. Sizes are in bytes and durations in milliseconds; Infinity means never, or no limit. */
export type Config = { readonly [K in keyof Table]: Value<Table[K]> } & {
  readonly mirrors: readonly MirrorSettings[]
}

export type Env = Readonly<Record<string, string | undefined>>

/** A setting that is wrong: one line that names it and the fix. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** Reads the settings from environment variables. Throws `ConfigError`, also for a name that is no setting. */
export function loadConfig(env: Env): Config {
  const entries = Object.entries(SETTINGS).map(([key, setting]) => [key, read(setting, env)])
  const config = { ...Object.fromEntries(entries), mirrors: mirrorsIn(env) } as Config
  checkNames(env, config.mirrors)
  checkTogether(config)
  return Object.freeze(config)
}

/** The variable that a setting is read from: RUST_LOG, the name of the original, if ours is not set. */
export function variableOf({ name }: Setting<unknown>, env: Env): string {
  return name === SETTINGS.logLevel.name && !env[name]?.trim() && env.RUST_LOG?.trim() ? 'RUST_LOG' : name
}

function read(setting: Setting<unknown>, env: Env): unknown {
  const name = variableOf(setting, env)
  const text = env[name]?.trim() || setting.preset
  if (text === undefined) return undefined
  const value = setting.parse(text)
  if (value !== undefined) return value
  const shown = setting.secret ? 'its value' : JSON.stringify(text)
  throw new ConfigError(`${name}: ${shown} is not ${setting.expected}`)
}

function mirrorsIn(env: Env): readonly MirrorSettings[] {
  try {
    return loadMirrors(env)
  } catch (error) {
    throw new ConfigError((error as Error).message, { cause: error })
  }
}

/** A misspelt setting would be ignored without a word, and a registry would serve unverified plugins. */
function checkNames(env: Env, mirrors: readonly MirrorSettings[]): void {
  const known = new Set(ALL_SETTINGS.map(({ name }) => name))
  for (const { passwordEnv } of mirrors) if (passwordEnv !== undefined) known.add(passwordEnv)
  for (const name of Object.keys(env)) {
    if (!name.startsWith('MEMFLOW_') || known.has(name)) continue
    const like = nearest(name, known)
    throw new ConfigError(
      `${name}: there is no such setting${like ? `; did you mean ${like}?` : '; .env.example lists them'}`,
    )
  }
}

/** What is wrong with settings that are right one by one. */
function checkTogether({ address: { host }, bearerToken, publicKeyFile, requireSignature }: Config): void {
  if (requireSignature && publicKeyFile === undefined) {
    throw new ConfigError(
      'MEMFLOW_REQUIRE_SIGNATURE: without keys no signature can be verified; set MEMFLOW_PUBLIC_KEY_FILE as well',
    )
  }
  if (bearerToken === 'token' && !isLoopback(host)) {
    throw new ConfigError(
      `MEMFLOW_BEARER_TOKEN: "token" is the sample that everybody knows, and ${host} is open to others; ` +
        'set a secret one (openssl rand -hex 32), or leave it out and one is made',
    )
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}

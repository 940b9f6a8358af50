import { isIPv4 } from 'node:net'
import { parsePlainUrl } from './lib/plain-url.ts'
import { DURATION, parseDuration, parseSize, SIZE } from './lib/units.ts'
import { LOG_LEVELS, type LogLevel } from './log.ts'
import { loadMirrors, type MirrorSettings } from './mirror-settings.ts'

/** All settings, checked. Every one stands once, in `loadConfig`, with its default; `.env.example` tells what they mean. */
export interface Config {
  readonly address: { readonly host: string; readonly port: number }
  readonly storageRoot: string
  readonly publicKeyFile: string | undefined
  /** Absent: one is made at the first start, see bearer-token.ts. */
  readonly bearerToken: string | undefined
  readonly logLevel: LogLevel
  readonly publicUrl: string | undefined
  readonly requireSignature: boolean
  readonly sparseManifests: boolean
  /** Bytes. */
  readonly maxPluginSize: number
  readonly maxBlobSize: number
  /** Bytes; 0: none. */
  readonly minFreeSpace: number
  /** Bytes of answers that are kept in memory; 0: none. */
  readonly cacheSize: number
  /** Undefined: as many as the limit of open files is enough for, see commands/connection-limits.ts. */
  readonly maxConnections: number | undefined
  /** Undefined: half of them. */
  readonly maxConnectionsPerAddress: number | undefined
  /** Milliseconds. */
  readonly uploadTtl: number
  /** Milliseconds; Infinity: never. */
  readonly verifyEvery: number
  /** Milliseconds; Infinity: by command only. */
  readonly gcEvery: number
  /** Milliseconds. */
  readonly gcGrace: number
  /** Bytes; Infinity: no limit. */
  readonly mirrorMaxSize: number
  /** Bytes; 0: none; Infinity: all. */
  readonly mirrorFinish: number
  /** Requests to upstreams a minute that one client address may cause; Infinity: no limit. */
  readonly mirrorRate: number
  readonly mirrors: readonly MirrorSettings[]
}

/** A setting that is wrong: one line that names it and the fix. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** Reads the settings from environment variables. Throws `ConfigError`. */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const read = <T>(
    name: string,
    parse: (text: string) => T | undefined,
    expected: string,
    preset: string,
  ): T => {
    const text = env[name]?.trim() || preset
    const value = parse(text)
    if (value === undefined) throw new ConfigError(`${name}: ${JSON.stringify(text)} is not ${expected}`)
    return value
  }
  const config: Config = {
    address: read(
      'MEMFLOW_ADDR',
      parseAddress,
      'an address such as 127.0.0.1:3000 or [::]:3000',
      '127.0.0.1:3000',
    ),
    storageRoot: env.MEMFLOW_STORAGE_ROOT?.trim() || '.storage',
    publicKeyFile: env.MEMFLOW_PUBLIC_KEY_FILE?.trim() || undefined,
    bearerToken: env.MEMFLOW_BEARER_TOKEN?.trim() || undefined,
    logLevel: read(
      env.MEMFLOW_LOG ? 'MEMFLOW_LOG' : 'RUST_LOG',
      parseLevel,
      `one of ${LOG_LEVELS.join(', ')}`,
      'info',
    ),
    publicUrl: env.MEMFLOW_PUBLIC_URL?.trim()
      ? read('MEMFLOW_PUBLIC_URL', parsePlainUrl, 'a URL such as https://registry.example.org', '')
      : undefined,
    requireSignature: read('MEMFLOW_REQUIRE_SIGNATURE', parseSwitch, 'true or false', 'false'),
    sparseManifests: read('MEMFLOW_SPARSE_MANIFESTS', parseSwitch, 'true or false', 'false'),
    maxPluginSize: read('MEMFLOW_MAX_PLUGIN_SIZE', parseSize, SIZE, '20MiB'),
    maxBlobSize: read('MEMFLOW_MAX_BLOB_SIZE', parseSize, SIZE, '10GiB'),
    minFreeSpace: read('MEMFLOW_MIN_FREE_SPACE', orZero, `${SIZE}, or 0`, '100MiB'),
    cacheSize: read('MEMFLOW_CACHE_SIZE', orZero, `${SIZE}, or 0`, '32MiB'),
    maxConnections: read('MEMFLOW_MAX_CONNECTIONS', orAuto, COUNT, 'auto').count,
    maxConnectionsPerAddress: read('MEMFLOW_MAX_CONNECTIONS_PER_ADDRESS', orAuto, COUNT, 'auto').count,
    uploadTtl: read('MEMFLOW_UPLOAD_TTL', parseDuration, DURATION, '24h'),
    verifyEvery: read('MEMFLOW_VERIFY_EVERY', orNever, `${DURATION}, or never`, '7d'),
    gcEvery: read('MEMFLOW_GC_EVERY', orOff, `${DURATION}, or off`, '1h'),
    gcGrace: read('MEMFLOW_GC_GRACE', parseDuration, DURATION, '24h'),
    mirrorMaxSize: read('MEMFLOW_MIRROR_MAX_SIZE', orUnlimited, `${SIZE}, or unlimited`, 'unlimited'),
    mirrorFinish: read('MEMFLOW_MIRROR_FINISH', orZeroOrUnlimited, `${SIZE}, 0 or unlimited`, '4MiB'),
    mirrorRate: read(
      'MEMFLOW_MIRROR_RATE',
      parseRate,
      'a number of requests a minute such as 3000, or unlimited',
      '3000',
    ),
    mirrors: mirrorsIn(env),
  }
  if (config.bearerToken === 'token' && !isLoopback(config.address.host)) {
    throw new ConfigError(
      `MEMFLOW_BEARER_TOKEN: "token" is the sample that everybody knows, and ${config.address.host} is open to others; ` +
        'set a secret one (openssl rand -hex 32), or leave it out and one is made',
    )
  }
  return Object.freeze(config)
}

function mirrorsIn(env: Readonly<Record<string, string | undefined>>): readonly MirrorSettings[] {
  try {
    return loadMirrors(env)
  } catch (error) {
    throw new ConfigError((error as Error).message, { cause: error })
  }
}

function orZero(text: string): number | undefined {
  return text === '0' ? 0 : parseSize(text)
}

const COUNT = 'a number from 1 to 1000000, or auto'

function orAuto(text: string): { count: number | undefined } | undefined {
  if (text === 'auto') return { count: undefined }
  return /^[1-9]\d{0,6}$/.test(text) && Number(text) <= 1_000_000 ? { count: Number(text) } : undefined
}

function orUnlimited(text: string): number | undefined {
  return text === 'unlimited' ? Number.POSITIVE_INFINITY : parseSize(text)
}

function orZeroOrUnlimited(text: string): number | undefined {
  return text === '0' ? 0 : orUnlimited(text)
}

function parseRate(text: string): number | undefined {
  if (text === 'unlimited') return Number.POSITIVE_INFINITY
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined
}

function orNever(text: string): number | undefined {
  return text === 'never' ? Number.POSITIVE_INFINITY : parseDuration(text)
}

function orOff(text: string): number | undefined {
  return text === 'off' ? Number.POSITIVE_INFINITY : parseDuration(text)
}

function parseSwitch(text: string): boolean | undefined {
  if (/^(?:true|1|yes)$/i.test(text)) return true
  return /^(?:false|0|no)$/i.test(text) ? false : undefined
}

function parseAddress(text: string): { host: string; port: number } | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-f:.]+)\]|([A-Za-z0-9.-]*)):(\d{1,5})$/i.exec(text) ?? []
  const port = Number(digits)
  return digits !== undefined && port < 65_536 ? { host: bracketed ?? (plain || '0.0.0.0'), port } : undefined
}

/** A level, also in the original's form: of `info,memflow_registry=debug` what stands for us; other modules are not here. */
function parseLevel(text: string): LogLevel | undefined {
  const parts = text.toLowerCase().split(/\s*,\s*/)
  const own = parts.find(part => part.startsWith('memflow_registry='))?.split('=')[1]
  const level = own ?? parts.find(part => !part.includes('=')) ?? 'info'
  return LOG_LEVELS.find(known => known === level)
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}

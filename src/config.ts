import { LOG_LEVELS, type LogLevel } from './log.ts'

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
  /** Milliseconds. */
  readonly uploadTtl: number
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
    if (value === undefined) throw new ConfigError(`${name}: "${text}" is not ${expected}`)
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
      ? read('MEMFLOW_PUBLIC_URL', parseUrl, 'a URL such as https://registry.example.org', '')
      : undefined,
    requireSignature: read('MEMFLOW_REQUIRE_SIGNATURE', parseSwitch, 'true or false', 'false'),
    sparseManifests: read('MEMFLOW_SPARSE_MANIFESTS', parseSwitch, 'true or false', 'false'),
    maxPluginSize: read('MEMFLOW_MAX_PLUGIN_SIZE', parseSize, SIZE, '20MiB'),
    maxBlobSize: read('MEMFLOW_MAX_BLOB_SIZE', parseSize, SIZE, '10GiB'),
    uploadTtl: read('MEMFLOW_UPLOAD_TTL', parseDuration, 'a duration such as 30m, 24h or 7d', '24h'),
  }
  if (config.bearerToken === 'token' && !isLoopback(config.address.host)) {
    throw new ConfigError(
      `MEMFLOW_BEARER_TOKEN: "token" is the sample that everybody knows, and ${config.address.host} is open to others; ` +
        'set a secret one (openssl rand -hex 32), or leave it out and one is made',
    )
  }
  return Object.freeze(config)
}

const SIZE = 'a size such as 500KiB, 20MiB or 10GiB'

const UNITS: Record<string, number> = { '': 1, B: 1, KIB: 2 ** 10, MIB: 2 ** 20, GIB: 2 ** 30, TIB: 2 ** 40 }
const SPANS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

function parseSize(text: string): number | undefined {
  const [, count, unit = ''] = /^(\d{1,12})\s*([KMGT]?I?B?)$/i.exec(text) ?? []
  const size = Number(count) * (UNITS[unit.toUpperCase()] ?? Number.NaN)
  return size > 0 && Number.isSafeInteger(size) ? size : undefined
}

function parseDuration(text: string): number | undefined {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  const span = Number(count) * (SPANS[unit] ?? Number.NaN)
  return span > 0 ? span : undefined
}

function parseSwitch(text: string): boolean | undefined {
  const known: Record<string, boolean> = { true: true, 1: true, yes: true, false: false, 0: false, no: false }
  return known[text.toLowerCase()]
}

function parseAddress(text: string): { host: string; port: number } | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-f:.]+)\]|([A-Za-z0-9.-]*)):(\d{1,5})$/i.exec(text) ?? []
  const port = Number(digits)
  return digits !== undefined && port < 65_536 ? { host: bracketed ?? (plain || '0.0.0.0'), port } : undefined
}

/** A level, also in the original's form: of `info,hyper=debug` the part without a module counts. */
function parseLevel(text: string): LogLevel | undefined {
  const level = text
    .toLowerCase()
    .split(',')
    .find(part => !part.includes('='))
  return LOG_LEVELS.find(known => known === level?.trim())
}

function parseUrl(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url && /^https?:$/.test(url.protocol) && url.search === '' ? url.href.replace(/\/+$/, '') : undefined
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host)
}

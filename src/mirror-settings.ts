import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parsePlainUrl } from './lib/plain-url.ts'
import { parseDuration, parseSize } from './lib/units.ts'
import { type MirrorEntry, PLAIN_URL, parseMirrorsFile, shown } from './mirrors-file.ts'

/** An upstream, and what of it is mirrored; in full, with the defaults. */
export interface MirrorSettings {
  readonly name: string
  readonly kind: 'oci' | 'memflow'
  readonly url: string
  readonly namespace: string | undefined
  /** The hosts that image names have for the upstream. */
  readonly hosts: readonly string[]
  readonly prefix: string | undefined
  readonly username: string | undefined
  readonly password: string | undefined
  /** The variable that the password was read from. */
  readonly passwordEnv: string | undefined
  /** Of a memflow registry: the keys that its plugins are signed by. */
  readonly publicKeyFile: string | undefined
  /** Milliseconds. */
  readonly tagTtl: number
  readonly negativeTtl: number
  readonly connectTimeout: number
  readonly idleTimeout: number
  /** Bytes. */
  readonly maxBlobSize: number
  readonly immutableTags: readonly RegExp[]
  readonly allow: readonly string[]
  readonly deny: readonly string[]
  readonly trustedRealms: readonly string[]
  readonly allowPrivateAddresses: boolean
  /** PEM. */
  readonly ca: string | undefined
}

type Env = Readonly<Record<string, string | undefined>>

/**
 * The mirrors that the environment names: those of MEMFLOW_MIRRORS_FILE, then MEMFLOW_MIRROR and MEMFLOW_UPSTREAM.
 * Throws an error that names the setting, for the file also the place in it, and what is expected.
 */
export function loadMirrors(env: Env): readonly MirrorSettings[] {
  const set = (name: string) => env[name]?.trim() || undefined
  const file = set('MEMFLOW_MIRRORS_FILE')
  const mirrors =
    file === undefined ? [] : within(`MEMFLOW_MIRRORS_FILE: ${file}`, () => readMirrors(file, env))
  const mirror = set('MEMFLOW_MIRROR')
  if (mirror !== undefined)
    mirrors.push(complete({ ...named('MEMFLOW_MIRROR', mirror), kind: 'oci' }, '.', env))
  const upstream = set('MEMFLOW_UPSTREAM')
  const publicKeyFile = set('MEMFLOW_UPSTREAM_PUBLIC_KEY_FILE')
  if ((upstream === undefined) !== (publicKeyFile === undefined)) {
    throw new Error(
      'MEMFLOW_UPSTREAM, MEMFLOW_UPSTREAM_PUBLIC_KEY_FILE: set both: what comes from the registry is verified by its keys',
    )
  }
  if (upstream !== undefined)
    mirrors.push(
      complete({ ...named('MEMFLOW_UPSTREAM', upstream), kind: 'memflow', publicKeyFile }, '.', env),
    )
  within('MEMFLOW_MIRRORS_FILE, MEMFLOW_MIRROR, MEMFLOW_UPSTREAM', () => checkTogether(mirrors))
  return Object.freeze(mirrors)
}

function named(setting: string, url: string): { name: string; url: string } {
  if (parsePlainUrl(url)) return { name: new URL(url).hostname, url }
  throw new Error(`${setting}: ${shown(url)} is not ${PLAIN_URL}`)
}

function readMirrors(file: string, env: Env): MirrorSettings[] {
  return parseMirrorsFile(readFileSync(file, 'utf8')).map((entry, i) =>
    within(`mirrors[${i}]`, () => {
      return complete(entry, dirname(file), env)
    }),
  )
}

/** `folder` is what paths are relative to. */
function complete(entry: MirrorEntry, folder: string, env: Env): MirrorSettings {
  const { name, kind } = entry
  const field = <T>(key: string) => (entry[key] ?? undefined) as T | undefined
  const path = (key: string) => {
    const file = field<string>(key)
    return file && resolve(folder, file)
  }
  const read = (key: string) => {
    const file = path(key)
    return file && within(key, () => readFileSync(file, 'utf8'))
  }
  const publicKeyFile = path('publicKeyFile')
  if (kind === 'memflow' && !publicKeyFile)
    throw new Error('publicKeyFile is needed: what comes from a memflow registry is verified by its keys')
  const password = passwordOf(field, read, env)
  if ((field('username') === undefined) !== (password === undefined))
    throw new Error('username and a password go together')
  const url = parsePlainUrl(entry.url) ?? ''
  return Object.freeze({
    name,
    kind,
    url,
    namespace: field<string>('namespace'),
    hosts: hostsOf(url),
    prefix: field<string>('prefix'),
    username: field<string>('username'),
    password,
    passwordEnv: field<string>('passwordEnv'),
    publicKeyFile,
    tagTtl: parseDuration(field('tagTtl') ?? '5m') ?? 0,
    negativeTtl: parseDuration(field('negativeTtl') ?? '30s') ?? 0,
    connectTimeout: parseDuration(field('connectTimeout') ?? '5s') ?? 0,
    idleTimeout: parseDuration(field('idleTimeout') ?? '30s') ?? 0,
    maxBlobSize: parseSize(field('maxBlobSize') ?? '10GiB') ?? 0,
    immutableTags: (field<string[]>('immutableTags') ?? []).map(pattern => new RegExp(pattern, 'u')),
    allow: field<string[]>('allow') ?? ['**'],
    deny: field<string[]>('deny') ?? [],
    trustedRealms: field<string[]>('trustedRealms') ?? [],
    allowPrivateAddresses: field<boolean>('allowPrivateAddresses') ?? false,
    ca: read('caFile'),
  })
}

/** Docker Hub is asked at other hosts than the one that image names have for it. */
const DOCKER_HUB = ['docker.io', 'index.docker.io', 'registry-1.docker.io']

/** The hosts that image names have for the registry with this URL, its own among them. */
function hostsOf(url: string): readonly string[] {
  const { host } = new URL(url)
  return DOCKER_HUB.includes(host) ? DOCKER_HUB : [host]
}

function passwordOf(
  field: <T>(key: string) => T | undefined,
  read: (key: string) => string | undefined,
  env: Env,
): string | undefined {
  const ways = ['password', 'passwordEnv', 'passwordFile'].filter(key => field(key) !== undefined)
  if (ways.length > 1) throw new Error(`${ways.join(' and ')} exclude each other`)
  const variable = field<string>('passwordEnv')
  if (variable === undefined) return field<string>('password') ?? read('passwordFile')?.trim()
  if (env[variable]) return env[variable]
  throw new Error(`passwordEnv: the environment has no ${variable}`)
}

/** What is wrong with mirrors that are right one by one. */
function checkTogether(mirrors: readonly MirrorSettings[]): void {
  const oci = mirrors.filter(({ kind }) => kind === 'oci')
  for (const [i, a] of mirrors.entries()) {
    if (mirrors.slice(i + 1).some(({ name, kind }) => name === a.name && kind === a.kind))
      throw new Error(`two mirrors are named ${a.name}`)
  }
  for (const a of oci) {
    for (const b of oci) {
      const namespace = a.namespace !== undefined && a.namespace === b.namespace
      if (namespace && a.prefix !== b.prefix)
        throw new Error(`${a.name} and ${b.name} have one namespace and need one prefix`)
      if (a.prefix === b.prefix && a.namespace !== b.namespace)
        throw new Error(
          `${a.name} and ${b.name} have ${a.prefix ? 'one' : 'no'} prefix and need one namespace`,
        )
    }
  }
}

/** Runs the work; its errors say where. */
function within<T>(place: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new Error(`${place}: ${(error as Error).message}`, { cause: error })
  }
}

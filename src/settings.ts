import { parsePlainUrl } from './lib/plain-url.ts'
import { DURATION, parseDuration, parseSize, SIZE } from './lib/units.ts'
import { LOG_FORMATS, LOG_LEVELS } from './log.ts'
import {
  any,
  orAuto,
  orNever,
  orOff,
  orUnlimited,
  orZero,
  orZeroOrUnlimited,
  parseAddress,
  parseLevel,
  parseOrigins,
  parseRate,
  parseSwitch,
  parseToken,
} from './setting-values.ts'

/** One setting: how its text is read, and what operators read about it. */
export interface Setting<T> {
  readonly name: string
  /** The text that an absent variable stands for. Undefined: the value is undefined then. */
  readonly preset?: string
  /** Returns undefined for a text that is not what `expected` says. */
  readonly parse: (text: string) => T | undefined
  /** What errors call the texts that `parse` takes. */
  readonly expected: string
  /** What it does, in sentences: `.env.example` and docs/operating.md are compared with it. */
  readonly about: string
  /** The value that `.env.example` shows if there is no preset. */
  readonly sample?: string
  readonly secret?: true
}

const COUNT = 'a number from 1 to 1000000, or auto'

/** Every setting once, in the order of the documentation. */
export const SETTINGS = {
  address: {
    name: 'MEMFLOW_ADDR',
    preset: '127.0.0.1:3000',
    parse: parseAddress,
    expected: 'an address such as 127.0.0.1:3000 or [::]:3000',
    about: 'The address to listen on. All interfaces: 0.0.0.0:3000, with IPv6 [::]:3000.',
  },
  storageRoot: {
    name: 'MEMFLOW_STORAGE_ROOT',
    preset: '.storage',
    parse: any,
    expected: 'the path of a folder',
    about: 'The folder of blobs and index, made if it is missing. One process at a time may serve it.',
  },
  bearerToken: {
    name: 'MEMFLOW_BEARER_TOKEN',
    parse: parseToken,
    expected: 'a token that clients can send: letters, digits and -._~+/ (openssl rand -hex 32 makes one)',
    about:
      'The secret for uploads and deletes. Without it, one is made at the first start and kept in the storage folder. openssl rand -hex 32 makes a good one.',
    sample: '',
    secret: true,
  },
  tokenTtl: {
    name: 'MEMFLOW_TOKEN_TTL',
    preset: '5m',
    parse: parseDuration,
    expected: DURATION,
    about:
      'How long the access tokens are valid that clients get at a login. Clients expect a minute at least, and get a new one after that.',
  },
  publicKeyFile: {
    name: 'MEMFLOW_PUBLIC_KEY_FILE',
    parse: any,
    expected: 'the paths of PEM files, separated by commas, or of a folder',
    about:
      'Public keys (secp256k1, PEM) that plugin signatures are verified with: a file with one or more keys, several files separated by commas, or a folder of *.pem files. Without it, signatures are stored and not verified.',
    sample: 'ec-secp256k1-pub-key.pem',
  },
  requireSignature: {
    name: 'MEMFLOW_REQUIRE_SIGNATURE',
    preset: 'false',
    parse: parseSwitch,
    expected: 'true or false',
    about:
      'Refuse plugins without a signature over OCI too, and artifacts whose layers cannot be searched whole for plugins, such as a zip. Otherwise they are stored, and the REST API lists plugins after a valid signature has come. It needs public keys.',
  },
  logLevel: {
    name: 'MEMFLOW_LOG',
    preset: 'info',
    parse: parseLevel,
    expected: `one of ${LOG_LEVELS.join(', ')}`,
    about: `The least level that is logged: ${LOG_LEVELS.join(', ')}. The name of the original, RUST_LOG, works too.`,
  },
  logFormat: {
    name: 'MEMFLOW_LOG_FORMAT',
    preset: 'auto',
    parse: text => LOG_FORMATS.find(format => format === text),
    expected: `one of ${LOG_FORMATS.join(', ')}`,
    about:
      'How lines of the log are written: text for people, json for programs, auto for text on a terminal and JSON elsewhere.',
  },
  accessLog: {
    name: 'MEMFLOW_ACCESS_LOG',
    preset: 'true',
    parse: parseSwitch,
    expected: 'true or false',
    about: 'Log a line for each request. With false, only changes and wrong credentials are logged.',
  },
  publicUrl: {
    name: 'MEMFLOW_PUBLIC_URL',
    parse: parsePlainUrl,
    expected: 'a URL such as https://registry.example.org',
    about: 'The URL that clients reach this registry by if it is behind a proxy. Login challenges name it.',
    sample: 'https://registry.example.org',
  },
  corsOrigins: {
    name: 'MEMFLOW_CORS_ORIGINS',
    preset: 'none',
    parse: parseOrigins,
    expected: 'origins such as https://app.example.org, separated by commas, or *, or none',
    about:
      'Web pages that may use this registry from a browser: origins separated by commas, * for all, none for none.',
  },
  maxPluginSize: {
    name: 'MEMFLOW_MAX_PLUGIN_SIZE',
    preset: '20MiB',
    parse: parseSize,
    expected: SIZE,
    about: 'The largest POST /files request, and the largest binary that is searched for plugins.',
  },
  maxBlobSize: {
    name: 'MEMFLOW_MAX_BLOB_SIZE',
    preset: '10GiB',
    parse: parseSize,
    expected: SIZE,
    about: 'The largest blob that the OCI API takes.',
  },
  sparseManifests: {
    name: 'MEMFLOW_SPARSE_MANIFESTS',
    preset: 'false',
    parse: parseSwitch,
    expected: 'true or false',
    about: 'Take manifests although blobs or manifests that they reference are missing.',
  },
  uploadTtl: {
    name: 'MEMFLOW_UPLOAD_TTL',
    preset: '24h',
    parse: parseDuration,
    expected: DURATION,
    about: 'How long an idle upload is kept: 30m, 24h, 7d.',
  },
  minFreeSpace: {
    name: 'MEMFLOW_MIN_FREE_SPACE',
    preset: '100MiB',
    parse: orZero,
    expected: `${SIZE}, or 0`,
    about:
      'The space that uploads leave free on the disk of the storage. Below it they are answered 507; reads and deletes go on. 0 leaves none.',
  },
  maxConnections: {
    name: 'MEMFLOW_MAX_CONNECTIONS',
    preset: 'auto',
    parse: orAuto,
    expected: COUNT,
    about:
      'The most connections at a time. auto: as many as the limit of open files (ulimit -n) is enough for, and at most 2048. Above it, idle connections are closed to make room; if none is idle, a new one is answered 503.',
  },
  maxConnectionsPerAddress: {
    name: 'MEMFLOW_MAX_CONNECTIONS_PER_ADDRESS',
    preset: 'auto',
    parse: orAuto,
    expected: COUNT,
    about:
      'The most connections of one IPv4 address, or of one IPv6 /64. auto: half of MEMFLOW_MAX_CONNECTIONS. Behind a reverse proxy all clients have the address of the proxy: set it to MEMFLOW_MAX_CONNECTIONS there.',
  },
  cacheSize: {
    name: 'MEMFLOW_CACHE_SIZE',
    preset: '32MiB',
    parse: orZero,
    expected: `${SIZE}, or 0`,
    about:
      'Memory for responses that are asked for often: manifests, lists, and blobs up to an eighth of it. 0 turns the cache off.',
  },
  verifyEvery: {
    name: 'MEMFLOW_VERIFY_EVERY',
    preset: '7d',
    parse: orNever,
    expected: `${DURATION}, or never`,
    about:
      'How long a verified blob is trusted before it is hashed again. never: files are served as they are, and the file system is trusted.',
  },
  gcEvery: {
    name: 'MEMFLOW_GC_EVERY',
    preset: '1h',
    parse: orOff,
    expected: `${DURATION}, or off`,
    about: 'How often garbage is collected while serving, or off. `memflow-registry gc` collects at once.',
  },
  gcGrace: {
    name: 'MEMFLOW_GC_GRACE',
    preset: '24h',
    parse: parseDuration,
    expected: DURATION,
    about:
      'How long blobs are kept that no manifest names, so that a client that has pushed one has the time to push its manifest.',
  },
  mirrorMaxSize: {
    name: 'MEMFLOW_MIRROR_MAX_SIZE',
    preset: 'unlimited',
    parse: orUnlimited,
    expected: `${SIZE}, or unlimited`,
    about:
      'How much of what OCI mirrors have fetched is kept: 50GiB, or unlimited. Above it, what was not used for the longest time is evicted, and fetched again when it is asked for. What was used within the last half hour stays, and so does everything that was pushed. Transfers under way count too. A blob that finds no room is passed on to its client and not kept.',
  },
  mirrorFinish: {
    name: 'MEMFLOW_MIRROR_FINISH',
    preset: '4MiB',
    parse: orZeroOrUnlimited,
    expected: `${SIZE}, 0 or unlimited`,
    about:
      'A transfer from an upstream that all its clients have left is finished if no more than this is missing. Otherwise it is paused, and given up ten seconds later. 0: it is always given up; unlimited: never.',
  },
  mirrorRate: {
    name: 'MEMFLOW_MIRROR_RATE',
    preset: '3000',
    parse: parseRate,
    expected: 'a number of requests a minute such as 3000, or unlimited',
    about:
      'How many requests to upstreams one client address may cause in a minute, or unlimited. What is cached costs nothing; what the upstream does not have, or refuses (401, 403), costs ten. A client that has used them up gets 429 with Retry-After. Clients that come through one proxy count as one.',
  },
} as const satisfies Record<string, Setting<unknown>>

/** The settings of mirrors, which mirror-settings.ts reads together because they depend on each other. */
const MIRROR_SETTINGS: readonly Setting<string>[] = [
  {
    name: 'MEMFLOW_MIRROR',
    parse: any,
    expected: 'the URL of an OCI registry',
    about:
      'An OCI registry to fetch what was not pushed here. What is pulled through is verified, kept, and served from here. Mirrored repositories take no pushes.',
    sample: 'https://registry.example.org',
  },
  {
    name: 'MEMFLOW_UPSTREAM',
    parse: any,
    expected: 'the URL of a memflow registry',
    about: 'A memflow registry whose plugins are listed beside those of this one.',
    sample: 'https://registry.example.org',
  },
  {
    name: 'MEMFLOW_UPSTREAM_PUBLIC_KEY_FILE',
    parse: any,
    expected: 'the paths of PEM files, separated by commas, or of a folder',
    about: 'The public keys that its plugins are signed with, in the form of MEMFLOW_PUBLIC_KEY_FILE.',
    sample: 'upstream-public.pem',
  },
  {
    name: 'MEMFLOW_MIRRORS_FILE',
    parse: any,
    expected: 'the path of a JSON file',
    about: 'Several mirrors, with credentials, prefixes and limits: a JSON file, see docs/mirror.md.',
    sample: 'mirrors.json',
  },
]

/** All of both tables. */
export const ALL_SETTINGS: readonly Setting<unknown>[] = [...Object.values(SETTINGS), ...MIRROR_SETTINGS]

/** `.env.example`: every setting with its default, ready to be copied. */
export function envExample(): string {
  const entries = ALL_SETTINGS.map(({ name, preset, sample = '', about }) =>
    [...wrapped(about).map(line => `# ${line}`), `#${name}=${preset ?? sample}`].join('\n'),
  )
  const head =
    '# Every setting with its default. Copy this file to .env, or set the variables in the environment, which wins.'
  return `${[head, ...entries].join('\n\n')}\n`
}

/** Lines of at most 118 characters. */
function wrapped(sentences: string): string[] {
  const lines: string[] = []
  for (const word of sentences.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + word.length < 118) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Random } from '../support/random.ts'
import { type Figure, figureOf } from './figure.ts'
import * as stored from './growth-content.ts'
import { heads } from './heads.ts'
import type { Peer } from './peers.ts'
import { loadManifests } from './push-load.ts'
import { type Load, wrk } from './wrk.ts'

const CONNECTIONS = 16
const PAGE = 50
const PLUGINS = 300
/** Plugins that are pushed begin beyond those that are listed; none is pushed twice. */
let unpushed = 1_000_000

/** What there is more and more of. */
export type Kind = 'tags' | 'repositories' | 'blobs' | 'plugins'

export type Group = 'hot' | 'cold' | 'pushes'

/** Where a point is measured. */
export interface Site {
  readonly peer: Peer
  /** For files of paths. */
  readonly folder: string
  /** So many of each kind are stored. */
  readonly level: number
  readonly seconds: number
}

/** Something whose cost may depend on how much is stored. */
export interface Point {
  readonly group: Group
  readonly title: string
  readonly kind: Kind
  readonly measure: (site: Site) => Promise<Figure>
}

/** The path of the n-th of so many, ready for more parameters. */
type PathOf = (n: number, level: number) => string

const READS: readonly (readonly [kind: Kind, title: string, path: PathOf])[] = [
  ['tags', 'manifest GET by tag', n => `/v2/${stored.REPOSITORY}/manifests/${stored.tagOf(n)}?`],
  ['tags', 'manifest GET by digest', n => `/v2/${stored.REPOSITORY}/manifests/${stored.digestAt(n)}?`],
  ['repositories', 'manifest GET in many repositories', n => `/v2/${stored.repositoryOf(n)}/manifests/v1?`],
  [
    'tags',
    `tags list, pages of ${PAGE}`,
    (n, level) => `/v2/${stored.REPOSITORY}/tags/list?n=${PAGE}&last=${stored.tagOf(n % (level - PAGE))}&`,
  ],
  [
    'repositories',
    `catalog, pages of ${PAGE}`,
    (n, level) => `/v2/_catalog?n=${PAGE}&last=${stored.repositoryOf(n % (level - PAGE))}&`,
  ],
  ['tags', 'referrers of 20', n => `/v2/${stored.REPOSITORY}/referrers/${stored.subjectOf(n)}?`],
  ['plugins', 'GET /plugins', () => '/plugins?'],
  [
    'plugins',
    'GET /plugins/{name} as memflowup asks',
    n => `/plugins/${stored.nameOf(n)}?version=0.0.0&limit=1&file_type=elf&architecture=x86_64&`,
  ],
  ['blobs', 'blob GET, 2 kB', n => `/v2/${stored.REPOSITORY}/blobs/${stored.blobDigest(n)}?`],
]

/** The list of all plugins has one path. */
const MANY = READS.filter(([, title]) => title !== 'GET /plugins')

export const POINTS: readonly Point[] = [
  ...READS.map(([kind, title, path]) => ({ group: 'hot' as const, kind, title, measure: hot(path) })),
  ...MANY.map(([kind, title, path]) => ({ group: 'cold' as const, kind, title, measure: cold(path) })),
  { group: 'cold', kind: 'blobs', title: 'blob HEAD', measure: headBlobs },
  { group: 'pushes', kind: 'tags', title: 'manifest push', measure: pushTags },
  { group: 'pushes', kind: 'plugins', title: 'plugin push, POST /files', measure: pushPlugins },
]

/** One path again and again. */
function hot(path: PathOf) {
  return ({ level, ...site }: Site) => read(site, site.peer.service.url + path(0, level))
}

/** Each path once. */
function cold(path: PathOf) {
  return async ({ level, ...site }: Site) => {
    const paths = join(site.folder, 'paths')
    const lines = shuffled(level).map(n => `${path(n, level)}u=\n`)
    await writeFile(paths, lines.join(''))
    return await read(site, site.peer.service.url, { WRK_PATHS: paths })
  }
}

async function read(
  { peer, seconds }: Pick<Site, 'peer' | 'seconds'>,
  url: string,
  env: Record<string, string> = {},
): Promise<Figure> {
  const load: Load = { connections: CONNECTIONS, seconds, env }
  // A server that has just been started compiles meanwhile.
  await wrk(url, { ...load, seconds: 1 })
  return await figureOf(peer, 'req/s', () => wrk(url, load))
}

function headBlobs({ peer, level, seconds }: Site): Promise<Figure> {
  const paths = shuffled(level).map(n => `/v2/${stored.REPOSITORY}/blobs/${stored.blobDigest(n)}?u=`)
  return figureOf(peer, 'req/s', () => heads(peer.service.url, paths, CONNECTIONS, seconds))
}

async function pushTags({ peer }: Site): Promise<Figure> {
  await loadManifests(peer, 'grow/warm', 1)
  return await figureOf(peer, 'req/s', () => loadManifests(peer, stored.REPOSITORY, 1))
}

function pushPlugins({ peer }: Site): Promise<Figure> {
  return figureOf(peer, 'req/s', async () => {
    const began = performance.now()
    await stored.pushPlugins(peer, unpushed, PLUGINS)
    unpushed += PLUGINS
    return { requests: PLUGINS, bytes: 0, seconds: (performance.now() - began) / 1000 }
  })
}

/** 0 … `count` - 1 in an order without a pattern, the same each time. */
function shuffled(count: number): number[] {
  const numbers = Array.from({ length: count }, (_, n) => n)
  const random = new Random(count, 0)
  for (let at = count - 1; at > 0; at--) {
    const other = random.below(at + 1)
    ;[numbers[at], numbers[other]] = [numbers[other] ?? 0, numbers[at] ?? 0]
  }
  return numbers
}

import { join } from 'node:path'
import { type Figure, inTurns } from './figure.ts'
import * as stored from './growth-content.ts'
import { type Group, type Kind, POINTS, type Site } from './growth-points.ts'
import { startOurs } from './peers.ts'
import { markdown, short } from './table.ts'

/** What something costs with more and more stored. */
export interface Curve {
  readonly group: Group
  readonly title: string
  /** At each level. */
  readonly figures: Figure[]
}

export interface Growth {
  /** How much is stored of each kind. */
  readonly levels: readonly number[]
  readonly curves: readonly Curve[]
}

export interface GrowthOptions {
  readonly levels: readonly number[]
  readonly rounds: number
  /** Of each measurement. */
  readonly seconds: number
  /** Of titles and groups, `blob HEAD (cold)`: those that match are measured, and only what they need is stored. */
  readonly only: RegExp
}

/** Fills a registry for each level, and measures what reads and pushes cost, the registries one after the other. */
export async function measureGrowth(
  folder: string,
  { levels, rounds, seconds, only }: GrowthOptions,
): Promise<Growth> {
  const points = POINTS.filter(({ title, group }) => only.test(`${title} (${group})`))
  const kinds = new Set(points.map(({ kind }) => kind))
  const curves: Curve[] = []
  const sites: Site[] = []
  try {
    for (const level of levels) {
      const storage = join(folder, `growth-${level}`)
      await fill(storage, level, kinds)
      sites.push({ peer: await startOurs(storage), folder, level, seconds })
    }
    for (const { group, title, measure } of points) {
      const turns = await inTurns(sites, rounds, measure)
      const curve = { group, title, figures: turns.map(({ median }) => median) }
      curves.push(curve)
      const costs = curve.figures.map(figure => short(costOf(figure)))
      console.log(`${title} (${group}): ${costs.join(', ')} µs each with ${levels.join(', ')} stored`)
    }
  } finally {
    for (const { peer } of sites) await peer.service.stop()
  }
  return { levels, curves }
}

async function fill(storage: string, level: number, kinds: ReadonlySet<Kind>): Promise<void> {
  if (kinds.has('plugins')) await stored.listPlugins(storage, level)
  // Manifests without the blobs they name.
  const peer = await startOurs(storage, { MEMFLOW_SPARSE_MANIFESTS: 'true' })
  try {
    if (kinds.has('tags')) await stored.pushTags(peer, level)
    if (kinds.has('repositories')) await stored.pushRepositories(peer, level)
    if (kinds.has('blobs')) await stored.pushBlobs(peer, level)
  } finally {
    await peer.service.stop()
  }
}

/** µs of processor time for one, or of the clock where the other is not known. */
export function costOf({ rate, cpu }: Figure): number {
  return cpu ?? 1e6 / rate
}

/** How much more it costs with the most stored than with the least. */
export function riseOf({ figures }: Curve): number {
  const [first, last] = [figures[0], figures.at(-1)]
  return first && last ? costOf(last) / costOf(first) : Number.NaN
}

export function growthTable({ levels, curves }: Growth, group: Group): string {
  const lines = curves
    .filter(curve => curve.group === group)
    .map(curve => [
      curve.title,
      ...curve.figures.map(figure => short(costOf(figure))),
      `${riseOf(curve).toFixed(2)}×`,
    ])
  const counts = levels.map(level => level.toLocaleString('en'))
  return markdown(['µs of processor time with so many stored', ...counts, 'last beside first'], lines)
}

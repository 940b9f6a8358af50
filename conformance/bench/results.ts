import { readFile, writeFile } from 'node:fs/promises'
import { availableParallelism, platform } from 'node:os'
import { fileURLToPath } from 'node:url'
import { costOf, type Growth, growthTable } from './growth.ts'
import type { Group } from './growth-points.ts'
import type { Bound } from './memory.ts'
import { svgOf } from './plot.ts'
import { markdown, short, tableOf } from './table.ts'
import type { Row } from './work.ts'

const FOLDER = new URL('./', import.meta.url)

/** Parts that were measured. */
export interface Results {
  readonly registries?: readonly Row[]
  readonly rest?: readonly Row[]
  readonly growth?: Growth
  readonly memory?: readonly Bound[]
}

const GROUPS: Readonly<Record<Group, { title: string; text: string }>> = {
  hot: {
    title: 'Reads of one path again and again',
    text: 'These answers are kept ready in memory.',
  },
  cold: {
    title: 'Reads of everything in turn',
    text: 'No path is asked for twice, so that every answer is made of rows and files.',
  },
  pushes: {
    title: 'Pushes',
    text: 'Manifests over 8 connections for a second and 300 plugins over 32, in each round on top of what is stored, everything synced.',
  },
}

export function machine(): string {
  return `${availableParallelism()} cores, Node.js ${process.versions.node}, ${platform()}`
}

/** What was measured now and, of the other parts, what stands in the file; writes it there again, as JSON. */
export async function merge(measured: Results, file: string): Promise<Results> {
  const before = await readFile(file, 'utf8').catch(() => '{}')
  const results = { ...(JSON.parse(before) as Results), ...measured }
  await writeFile(file, `${JSON.stringify(results, undefined, 2)}\n`)
  return results
}

/** Writes RESULTS.md and its plots. */
export async function save(results: Results): Promise<void> {
  for (const [group, svg] of plots(results)) await writeFile(new URL(`${group}.svg`, FOLDER), svg)
  const text = new URL('RESULTS.md', FOLDER)
  await writeFile(text, textOf(results))
  console.log(`${fileURLToPath(text)} is written`)
}

function textOf({ registries, rest, growth, memory }: Results): string {
  const sections = [
    `# Results

Measured on ${machine()}, everything on that machine. \`npm run bench\` measures again; \`--save\` writes this file. Ratios count: the figures beside each other are medians of rounds in which the servers take turns, with the load of \`wrk -t1\`.
`,
    registries &&
      `## Registries

${tableOf(registries)}
Everything is in one repository with 300 tags and 20 referrers. Peers that are not there were not on that machine. Ours and nginx answer from one thread, the others from as many as there are cores. Pushes: ours syncs files, folders and journal before it answers, distribution the file, the others nothing; where it says until all is on the disk, the time counts as well that the kernel takes to write what they have left to it. How pushes of blobs compare depends on the memory, as docs/performance.md says; \`--seconds 1\` measures bursts.
`,
    rest &&
      `## memflow's REST API

${tableOf(rest)}
\`original\` is memflow-registry in Rust, on all cores. Ours has one thread, and one thread of Node.js writes about 40,000 answers a second at best.
`,
    growth && `## Growth\n\n${growthText(growth)}`,
    memory && `## Memory and time\n\n${boundsTable(memory)}`,
  ]
  return sections.filter(section => section !== undefined).join('\n')
}

function growthText(growth: Growth): string {
  const parts = Object.entries(GROUPS).map(
    ([group, { title, text }]) => `### ${title}

${text}

![${title}](${group}.svg)

${growthTable(growth, group as Group)}`,
  )
  return `With so many tags, manifests, repositories and plugins stored, each. The plugins have 1,000 names at most, so the answer of \`GET /plugins\` grows up to there.\n\n${parts.join('\n')}`
}

function* plots({ growth }: Results): Generator<readonly [string, string]> {
  for (const [group, { title }] of Object.entries(GROUPS)) {
    const curves = growth?.curves.filter(curve => curve.group === group) ?? []
    if (!growth || curves.length === 0) continue
    const series = curves.map(({ title, figures }) => ({ title, values: figures.map(costOf) }))
    const labels = { across: 'stored', up: 'µs of processor time each' }
    yield [group, svgOf({ title, ...labels, at: growth.levels, series })]
  }
}

function boundsTable(bounds: readonly Bound[]): string {
  const lines = bounds.map(({ title, value, most, unit }) => [
    title,
    `${short(value)} ${unit}`,
    `${most}${value > most ? ', missed' : ''}`,
  ])
  return markdown(['', 'measured', 'at most'], lines)
}

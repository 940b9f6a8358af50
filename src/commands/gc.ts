import { type Config, ConfigError } from '../config.ts'
import type { Collected } from '../core/garbage/collector.ts'
import type { Explanation } from '../core/garbage/explanation.ts'
import type { Garbage } from '../core/garbage/sweep.ts'
import { formatSize } from '../lib/format-size.ts'
import { DURATION, formatDuration, parseDurationOrZero } from '../lib/units.ts'
import { parseAbbreviated } from '../oci/digest.ts'
import { type Collecting, openCollecting } from './collecting.ts'
import { count } from './count.ts'
import { EXIT } from './exit-code.ts'
import { requireStorage } from './storage.ts'

/** Collects garbage at once, tells what it would collect, or what keeps a digest. Throws `ConfigError`. */
export async function gcCommand(
  config: Config,
  { dryRun = false, explain, grace }: { dryRun?: boolean; explain?: string; grace?: string },
): Promise<void> {
  const digest = explain === undefined ? undefined : parseAbbreviated(explain)
  if (explain !== undefined && digest === undefined) {
    throw new ConfigError(
      `--explain: ${JSON.stringify(explain)} is not a digest such as sha256:<64 digits>, and not 7 or more of its digits`,
    )
  }
  const graceMs = grace === undefined ? undefined : parseDurationOrZero(grace)
  if (grace !== undefined && graceMs === undefined)
    throw new ConfigError(`--grace: ${JSON.stringify(grace)} is not ${DURATION}, or 0`)
  await requireStorage(config)
  const collecting = await openCollecting(config)
  try {
    if (digest === undefined) return await collect(collecting, config, dryRun, graceMs)
    const explanation = await collecting.explain(digest)
    if (explanation) return print(explanationLines(explanation))
    process.stderr.write(`memflow-registry: nothing of that digest is here: ${digest}\n`)
    process.exitCode = EXIT.FINDINGS
  } catch (error) {
    if (error instanceof ConfigError) throw error
    process.stderr.write(`memflow-registry: ${(error as Error).message}\n`)
    process.exitCode = EXIT.FAILED
  } finally {
    await collecting.close()
  }
}

async function collect(
  collecting: Collecting,
  { gcGrace }: Config,
  dryRun: boolean,
  graceMs: number | undefined,
): Promise<void> {
  const began = performance.now()
  const collected = await collecting.collect({
    dryRun,
    graceMs,
    onGarbage: garbage => print([garbageLine(garbage)]),
  })
  print(summaryLines(collected, dryRun, (performance.now() - began) / 1000))
  if (collected.graceMs === (graceMs ?? gcGrace)) return
  process.stderr.write(
    `memflow-registry: MEMFLOW_GC_GRACE: the process that serves the storage has ${formatDuration(collected.graceMs)}, ` +
      `which was used, and not ${formatDuration(gcGrace)}; --grace sets another one for this collection\n`,
  )
}

const WORDS: Record<Garbage['kind'], [one: string, more: string]> = {
  blob: ['blob', 'blobs'],
  link: ['link', 'links'],
  index: ['composed index', 'composed indexes'],
  repository: ['repository', 'repositories'],
}

function garbageLine({ kind, repository, digest, size }: Garbage): string {
  const which = [repository, digest].filter(Boolean).join(' ')
  return `${WORDS[kind][0].padEnd(14)}  ${(size === undefined ? '' : formatSize(size)).padStart(10)}  ${which}`
}

function summaryLines(collected: Collected, dryRun: boolean, seconds: number): string[] {
  const { gone, bytes, uploads, waiting, links, blobs, graceMs } = collected
  const parts = (Object.keys(WORDS) as Garbage['kind'][])
    .filter(kind => gone[kind] > 0)
    .map(kind => count(gone[kind], ...WORDS[kind]) + (kind === 'blob' ? ` (${formatSize(bytes)})` : ''))
  if (uploads > 0) parts.push(count(uploads, 'abandoned upload'))
  return [
    `${dryRun ? 'would remove' : 'removed'}`.padEnd(14) + (parts.join(', ') || 'nothing'),
    ...(waiting > 0
      ? [`${'waiting'.padEnd(14)}${waiting} of no use, for a grace period of ${formatDuration(graceMs)}`]
      : []),
    `${'looked at'.padEnd(14)}${count(links, 'link')}, ${count(blobs, 'blob')}, in ${seconds.toFixed(1)} s`,
  ]
}

function explanationLines({ digest, size, kept, reasons }: Explanation): string[] {
  const width = Math.max(...reasons.map(({ repository = '' }) => repository.length))
  return [
    `${digest}${size === undefined ? '' : ` (${formatSize(size)})`} ${kept ? 'is kept' : 'goes'}`,
    ...reasons.map(({ repository = '', why }) => `  ${repository.padEnd(width)}  ${why}`),
  ]
}

function print(lines: readonly string[]): void {
  process.stdout.write(lines.map(line => `${line}\n`).join(''))
}

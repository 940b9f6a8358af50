import { type Config, ConfigError } from '../config.ts'
import type { Collected } from '../core/garbage/collector.ts'
import type { Explanation } from '../core/garbage/explanation.ts'
import type { Garbage } from '../core/garbage/sweep.ts'
import { formatSize } from '../lib/format-size.ts'
import { isDigest } from '../oci/digest.ts'
import { type Collecting, openCollecting } from './collecting.ts'
import { count } from './count.ts'
import { requireStorage } from './storage.ts'

/** Exit code where garbage cannot be collected, or there is nothing of the digest; 0 else. */
const FAILED = 1

/** Collects garbage at once, tells what it would collect, or what keeps a digest. Throws `ConfigError`. */
export async function gcCommand(
  config: Config,
  { dryRun = false, explain }: { dryRun?: boolean; explain?: string },
): Promise<void> {
  if (explain !== undefined && !isDigest(explain)) {
    throw new ConfigError(`--explain: ${JSON.stringify(explain)} is not a digest such as sha256:<64 digits>`)
  }
  await requireStorage(config)
  const collecting = await openCollecting(config)
  try {
    if (explain === undefined) return await collect(collecting, dryRun)
    const explanation = await collecting.explain(explain)
    if (!explanation) throw new Error(`nothing of that digest is here: ${explain}`)
    print(explanationLines(explanation))
  } catch (error) {
    if (error instanceof ConfigError) throw error
    process.stderr.write(`memflow-registry: ${(error as Error).message}\n`)
    process.exitCode = FAILED
  } finally {
    await collecting.close()
  }
}

async function collect(collecting: Collecting, dryRun: boolean): Promise<void> {
  const began = performance.now()
  const collected = await collecting.collect({ dryRun, onGarbage: garbage => print([garbageLine(garbage)]) })
  print(summaryLines(collected, dryRun, (performance.now() - began) / 1000))
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
  const { gone, bytes, uploads, waiting, links, blobs } = collected
  const parts = (Object.keys(WORDS) as Garbage['kind'][])
    .filter(kind => gone[kind] > 0)
    .map(kind => count(gone[kind], ...WORDS[kind]) + (kind === 'blob' ? ` (${formatSize(bytes)})` : ''))
  if (uploads > 0) parts.push(count(uploads, 'abandoned upload'))
  return [
    `${dryRun ? 'would remove' : 'removed'}`.padEnd(14) + (parts.join(', ') || 'nothing'),
    ...(waiting > 0 ? [`${'waiting'.padEnd(14)}${waiting} of no use, until MEMFLOW_GC_GRACE is over`] : []),
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

import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isOriginalStorage, OriginalStorage } from '../archive/original-storage.ts'
import { openIndex, openParts, StorageInUse } from '../compose.ts'
import { type Config, ConfigError } from '../config.ts'
import { OriginalImport } from '../core/backup/original-import.ts'
import { Collector } from '../core/garbage/collector.ts'
import { orAbsent } from '../lib/errno.ts'
import { createLogger } from '../log.ts'
import { count } from './count.ts'
import { EXIT } from './exit-code.ts'
import { messageOf } from './message.ts'
import { StatusLine } from './status-line.ts'

/** Takes over the storage folder of the original server. Throws `ConfigError`. */
export async function importCommand(
  config: Config,
  folder: string,
  { dryRun = false }: { readonly dryRun?: boolean },
): Promise<void> {
  if (!(await isOriginalStorage(folder))) {
    throw new ConfigError(
      `${folder} has no {digest}.plugin or {digest}.meta files: name the MEMFLOW_STORAGE_ROOT of the original server`,
    )
  }
  // A dry run makes no storage: without one, everything in the folder would be new.
  const scratch =
    dryRun && !(await orAbsent(stat(config.storageRoot)))
      ? await mkdtemp(join(tmpdir(), 'import-'))
      : undefined
  try {
    await run(scratch ? { ...config, storageRoot: scratch } : config, folder, dryRun)
  } finally {
    if (scratch) await rm(scratch, { recursive: true, force: true })
  }
}

async function run(config: Config, folder: string, dryRun: boolean): Promise<void> {
  const log = createLogger(config.logLevel, config.logFormat)
  const { parts, close } = await openParts(config, log)
  try {
    const index = await openIndex(config, log).catch(busy)
    try {
      if (!dryRun) await new Collector({ ...parts, index }).begin()
      await importAll(folder, new OriginalImport({ ...parts, index }, { dryRun }), dryRun)
    } finally {
      await index.close()
    }
  } finally {
    await close()
  }
}

async function importAll(folder: string, take: OriginalImport, dryRun: boolean): Promise<void> {
  const began = performance.now()
  const status = new StatusLine()
  const stop = new AbortController()
  const onSignal = () => stop.abort()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal)
  const counts = { imported: 0, present: 0, refused: 0 }
  const refuse = (digest: string, reason: string) => {
    status.clear()
    counts.refused++
    process.stdout.write(`not imported: ${digest}: ${reason}\n`)
  }
  try {
    const { files, unreadable } = await new OriginalStorage(folder).read()
    for (const { digest, reason } of unreadable) refuse(digest, reason)
    for (const file of files) {
      if (stop.signal.aborted) break
      const outcome = await take.take(file)
      if (outcome.kind === 'refused') refuse(file.digest, outcome.reason)
      else counts[outcome.kind]++
      status.show(() => `${counts.imported + counts.present + counts.refused} of ${files.length} files`)
    }
    status.clear()
    process.stdout.write(`${summary(counts, dryRun, (performance.now() - began) / 1000)}\n`)
    if (counts.refused > 0) process.exitCode = EXIT.FINDINGS
    if (!stop.signal.aborted) return
    process.stdout.write('stopped; import again to go on\n')
    process.exitCode = EXIT.STOPPED
  } catch (error) {
    status.clear()
    process.stderr.write(
      `memflow-registry: ${messageOf(error)}; ${count(counts.imported, 'plugin file')} imported before that, import again to go on\n`,
    )
    process.exitCode = EXIT.FAILED
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal)
  }
}

function summary(
  { imported, present, refused }: { imported: number; present: number; refused: number },
  dryRun: boolean,
  seconds: number,
): string {
  const taken = `${count(imported, 'plugin file')} ${dryRun ? 'can be imported' : 'imported'}`
  return `${taken}, ${present} here already, ${refused} refused, in ${seconds.toFixed(1)} s`
}

function busy(error: unknown): never {
  if (!(error instanceof StorageInUse)) throw error
  throw new ConfigError(`${error.message}; stop it first, import, and start it again`, { cause: error })
}

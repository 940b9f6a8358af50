import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { LayoutReader } from '../archive/contract.ts'
import { FolderReader } from '../archive/folder-reader.ts'
import { openIndex, openParts, StorageInUse, startClock } from '../compose.ts'
import { type Config, ConfigError } from '../config.ts'
import { Restore, type Restored } from '../core/backup/restore.ts'
import { unpack } from '../core/backup/unpacked.ts'
import { Collector } from '../core/garbage/collector.ts'
import { orAbsent } from '../lib/errno.ts'
import { formatSize } from '../lib/format-size.ts'
import { createLogger } from '../log.ts'
import type { BlobStore } from '../store/contract.ts'
import { contents } from './count.ts'
import { EXIT } from './exit-code.ts'
import { messageOf } from './message.ts'
import { repositoryOption } from './repository-option.ts'
import { StatusLine } from './status-line.ts'

/** A standard input that is a tar. */
const STDIN = '-'

/**
 * Puts what is in an OCI layout, a folder or a tar, into the storage, beside what is there. Not while it is served.
 * Throws `ConfigError`.
 */
export async function restoreCommand(
  config: Config,
  source: string,
  { repository: name, overwrite }: { repository?: string; overwrite?: true },
): Promise<void> {
  const repository = name === undefined ? undefined : repositoryOption(name)
  const kind = source === STDIN ? 'tar' : await kindOf(source)
  const began = performance.now()
  const status = new StatusLine()
  const log = createLogger(config.logLevel, config.logFormat)
  const { parts, close } = await openParts(config, log)
  try {
    const index = await openIndex(config, log).catch(busy)
    try {
      await startClock(parts.clock, index, log)
      await new Collector({ ...parts, index }).begin()
      const layout =
        kind === 'folder' ? new FolderReader(source) : await unpacked(source, parts.store, status)
      const progress = (manifests: number, of: number, bytes: number) =>
        status.show(() => `${manifests} of ${of} manifests, ${formatSize(bytes)}`)
      const restore = new Restore({ ...parts, index }, layout, { repository, overwrite, progress })
      const restored = await restore.run()
      status.clear()
      report(restored, (performance.now() - began) / 1000)
    } finally {
      await index.close()
    }
  } catch (error) {
    status.clear()
    if (error instanceof ConfigError) throw error
    process.stderr.write(`memflow-registry: ${source}: ${messageOf(error)}\n`)
    process.exitCode = EXIT.FAILED
  } finally {
    await close()
  }
}

async function kindOf(source: string): Promise<'folder' | 'tar'> {
  const stats = await orAbsent(stat(source))
  if (stats) return stats.isDirectory() ? 'folder' : 'tar'
  throw new ConfigError(`there is no ${source}`)
}

function busy(error: unknown): never {
  if (!(error instanceof StorageInUse)) throw error
  throw new ConfigError(
    `${error.message}; stop it first, or push into it with a client, such as oras cp --from-oci-layout`,
    { cause: error },
  )
}

function unpacked(source: string, store: BlobStore, status: StatusLine): Promise<LayoutReader> {
  let done = 0
  return unpack(source === STDIN ? process.stdin : createReadStream(source), store, bytes => {
    done += bytes
    status.show(() => `${formatSize(done)} unpacked`)
  })
}

function report(restored: Restored, seconds: number): void {
  const { kept, failed, others } = restored
  const lines = [
    ...failed.map(
      ({ digest, repository, why }) => `not restored: ${digest}, needed in ${repository}: ${why}`,
    ),
    ...others.map(digest => `passed over: ${digest} is no manifest`),
    ...kept.map(tag => `kept: ${tag} is another manifest here; --overwrite takes the one of the layout`),
    `${contents(restored)}, in ${seconds.toFixed(1)} s${failed.length > 0 ? `; ${failed.length} not restored` : ''}`,
  ]
  process.stdout.write(lines.map(line => `${line}\n`).join(''))
  if (failed.length > 0) process.exitCode = EXIT.FINDINGS
}

import type { LayoutWriter } from '../archive/contract.ts'
import { FolderWriter } from '../archive/folder-writer.ts'
import { TarWriter } from '../archive/tar-writer.ts'
import { openIndex, openStore, StorageInUse } from '../compose.ts'
import { type Config, ConfigError } from '../config.ts'
import { type BackedUp, Backup } from '../core/backup/backup.ts'
import { type BackupRow, backupRows } from '../core/backup/backup-rows.ts'
import { formatSize } from '../lib/format-size.ts'
import { createLogger } from '../log.ts'
import { DOCUMENTS_HERE } from '../oci/documents.ts'
import type { Repository } from '../oci/name.ts'
import { contents } from './count.ts'
import { EXIT } from './exit-code.ts'
import { messageOf } from './message.ts'
import { repositoryOption } from './repository-option.ts'
import { findingOf } from './scrub.ts'
import { ServingProcess } from './serving-process.ts'
import { StatusLine } from './status-line.ts'
import { requireStorage } from './storage.ts'

/** A standard output that is a tar takes no words. */
const STDOUT = '-'

/** Writes all repositories, or the ones named, to an OCI layout, also while they are served. Throws `ConfigError`. */
export async function backupCommand(
  config: Config,
  target: string,
  { repository: names = [] }: { repository?: readonly string[] },
): Promise<void> {
  const repositories = names.map(repositoryOption)
  refuseArchive(target)
  await requireStorage(config)
  const began = performance.now()
  const status = new StatusLine()
  const print = (line: string) => {
    status.clear()
    const out = target === STDOUT ? process.stderr : process.stdout
    out.write(`${line}\n`)
  }
  let writer: LayoutWriter | undefined
  try {
    // Every blob is hashed on its way, whatever the settings say of reading.
    const store = await openStore({ ...config, verifyEvery: Number.MAX_SAFE_INTEGER }, damage =>
      print(findingOf(damage)),
    )
    writer = await writerOf(target, repositories)
    const rows = () => rowsOf(config, repositories)
    const backup = new Backup(rows, store, writer, (done, of) =>
      status.show(() => `${formatSize(done)} of ${formatSize(of)}`),
    )
    const done = await backup.run(repositories)
    for (const { digest, repository, why } of done.lacking)
      print(`${why}: ${digest}, needed in ${repository}; push it again`)
    print(summaryOf(done, (performance.now() - began) / 1000))
    if (done.lacking.length > 0) process.exitCode = EXIT.FINDINGS
  } catch (error) {
    status.clear()
    await writer?.abort()
    if (error instanceof ConfigError) throw error
    process.stderr.write(`memflow-registry: ${target}: ${messageOf(error)}\n`)
    process.exitCode = EXIT.FAILED
  }
}

/** A folder of that name would be a surprise. Throws `ConfigError`. */
function refuseArchive(target: string): void {
  const [, compression] = /(?:\.t|\.tar\.|\.)(gz|bz2|xz|zst|lz4|zip|7z)$/i.exec(target) ?? []
  if (compression === undefined) return
  const packer = { gz: 'gzip', bz2: 'bzip2', xz: 'xz', zst: 'zstd', lz4: 'lz4' }[compression.toLowerCase()]
  const instead = packer
    ? `memflow-registry backup - | ${packer} > ${target}`
    : 'a folder, or a name that ends in .tar'
  throw new ConfigError(`${target}: a backup is a folder or a plain tar; write instead: ${instead}`)
}

async function writerOf(target: string, scope: readonly string[]): Promise<LayoutWriter> {
  if (target === STDOUT) return TarWriter.to(process.stdout)
  return target.endsWith('.tar') ? TarWriter.open(target) : FolderWriter.open(target, scope)
}

/** From the index, or from the process that serves it. */
async function* rowsOf(config: Config, repositories: readonly Repository[]): AsyncGenerator<BackupRow> {
  const index = await openIndex(config, createLogger(config.logLevel, config.logFormat)).catch(error => {
    if (error instanceof StorageInUse) return undefined
    throw error
  })
  if (!index) return yield* servedRows(config, repositories)
  try {
    yield* backupRows(index, DOCUMENTS_HERE, repositories)
  } finally {
    await index.close()
  }
}

async function* servedRows(config: Config, repositories: readonly Repository[]): AsyncGenerator<BackupRow> {
  const serving = await ServingProcess.of(config)
  const query = repositories.map(name => `repository=${name}`).join('&')
  for await (const line of serving.lines<BackupRow | { end: true }>('GET', `/ops/backup?${query}`)) {
    if ('end' in line) return
    yield line
  }
  throw serving.stopped()
}

function summaryOf(done: BackedUp, seconds: number): string {
  const { newBlobs, newBytes, lacking } = done
  const parts = [
    contents(done),
    `of them ${newBlobs} new (${formatSize(newBytes)})`,
    `in ${seconds.toFixed(1)} s`,
  ]
  return parts.join(', ') + (lacking.length > 0 ? `; ${lacking.length} lacking` : '')
}

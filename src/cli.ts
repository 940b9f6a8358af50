#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import type { SyncOptions } from './commands/mirror.ts'
import { type Config, ConfigError, loadConfig } from './config.ts'
import { readEnvFile } from './env-file.ts'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string
}

// What a command needs is loaded with it: the others start sooner.
const program = new Command('memflow-registry')
  // Commander exits with 1, which is for findings here.
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .description('An OCI registry for memflow plugins: oras and memflowup, one store.')
  .version(version)
  .addHelpText(
    'after',
    '\nSettings come from the environment and from .env in this folder; .env.example lists them.',
  )

program
  .command('serve')
  .description('serve the registry until it is stopped')
  .action(async () => (await import('./commands/serve.ts')).serve(settings(), settings))

program
  .command('reindex')
  .description('make the index anew, while the registry is not served')
  .option('--from-journal', 'from the journal, where the index is lost or damaged')
  .addOption(
    new Option('--salvage', 'from what can be read of both, where both are damaged').conflicts('fromJournal'),
  )
  .action(async ({ fromJournal, salvage }: { fromJournal?: true; salvage?: true }) =>
    (await import('./commands/reindex.ts')).reindexCommand(
      settings(),
      salvage ? 'both' : fromJournal ? 'journal' : 'index',
    ),
  )

program
  .command('fsck')
  .description('check index, journal and blobs against each other, while the registry is not served')
  .option('--repair', 'make the index anew where that helps, and move damaged blobs to quarantine/')
  .action(async (options: { repair?: true }) =>
    (await import('./commands/fsck.ts')).fsckCommand(settings(), options),
  )

program
  .command('scrub')
  .description('read every blob, also while they are served, and take damaged ones out of service')
  .option('--rate <bytes/s>', 'read no faster', '50MiB/s')
  .option('--restart', 'begin at the beginning, not where the last scrub was stopped')
  .action(async (options: { rate: string; restart?: true }) =>
    (await import('./commands/scrub.ts')).scrubCommand(settings(), options),
  )

program
  .command('gc')
  .description('remove what nothing needs any more, also while the registry is served')
  .option('--dry-run', 'only tell what would go')
  .option(
    '--grace <duration>',
    'another grace period than MEMFLOW_GC_GRACE; 0 removes at once what nothing needs, also what a push under way has sent',
  )
  .addOption(
    new Option(
      '--explain <digest>',
      'tell what keeps a blob or manifest, or why it goes; 7 or more digits are enough',
    ).conflicts(['dryRun', 'grace']),
  )
  .action(async (options: { dryRun?: boolean; explain?: string; grace?: string }) =>
    (await import('./commands/gc.ts')).gcCommand(settings(), options),
  )

program
  .command('backup')
  .description('write all repositories to an OCI image layout, also while the registry is served')
  .argument('<target>', 'a folder, a file that ends in .tar, or - for a tar on standard output')
  .option('--repository <name>', 'only this one, and others where it is given again', several)
  .action(async (target: string, options: { repository?: readonly string[] }) =>
    (await import('./commands/backup.ts')).backupCommand(settings(), target, options),
  )

program
  .command('restore')
  .description('put what is in an OCI image layout into the storage, while the registry is not served')
  .argument('<source>', 'a folder, a tar, or - for a tar on standard input')
  .option('--repository <name>', 'where manifests go of which the layout does not say')
  .option('--overwrite', 'move tags that are at other manifests here')
  .action(async (source: string, options: { repository?: string; overwrite?: true }) =>
    (await import('./commands/restore.ts')).restoreCommand(settings(), source, options),
  )

program
  .command('import')
  .description('take over the plugins of the original memflow-registry, while this registry is not served')
  .argument('<folder>', 'its storage folder, with {digest}.plugin and {digest}.meta files; it is only read')
  .option('--dry-run', 'check every file and write nothing')
  .action(async (folder: string, options: { dryRun?: true }) =>
    (await import('./commands/import.ts')).importCommand(settings(), folder, options),
  )

program
  .command('mirror')
  .description('work with the registries that this one mirrors')
  .command('sync')
  .description('bring repositories or plugins of a mirror here, also while the registry is served')
  .argument('<mirror>', 'its name in the mirrors file, or the host of MEMFLOW_MIRROR or MEMFLOW_UPSTREAM')
  .argument(
    '[names...]',
    'what the upstream calls them; patterns with * where it lists its names; - for standard input',
  )
  .option('--all', 'all that the upstream lists')
  .option('--tags <pattern>', 'only tags such as 1.*, and others where it is given again', several)
  .action(async (mirror: string, names: readonly string[], options: SyncOptions) =>
    (await import('./commands/mirror.ts')).syncCommand(settings(), mirror, names, options),
  )

const config = program
  .command('config')
  .description('print the settings that are in force and where they come from')
  .action(async () => (await import('./commands/config.ts')).configCommand(envFile(), process.env))

config
  .command('check')
  .description('check the settings and the files that they name: exit code 0 or 2')
  .action(async () => (await import('./commands/config.ts')).configCheckCommand(settings()))

try {
  await program.parseAsync()
} catch (error) {
  const isFault = !(error instanceof ConfigError)
  const told = isFault && error instanceof Error ? (error.stack ?? error.message) : (error as Error).message
  process.stderr.write(`memflow-registry: ${told}\n`)
  process.exitCode = 2
  // Of a fault, what else holds the process is not known.
  if (isFault) process.exit()
}

/** An option that may be given more than once. */
function several(name: string, before: readonly string[] = []): readonly string[] {
  return [...before, name]
}

/** The environment wins over `.env`, as it did for the original. */
function settings(): Config {
  return loadConfig({ ...envFile(), ...process.env })
}

function envFile(): Record<string, string> {
  try {
    return readEnvFile('.env')
  } catch (error) {
    throw new ConfigError(`.env: ${(error as Error).message}`)
  }
}

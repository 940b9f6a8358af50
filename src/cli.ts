#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { Command, Option } from 'commander'
import { gcCommand } from './commands/gc.ts'
import { reindexCommand } from './commands/reindex.ts'
import { scrubCommand } from './commands/scrub.ts'
import { serve } from './commands/serve.ts'
import { type Config, ConfigError, loadConfig } from './config.ts'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string
}

const program = new Command('memflow-registry')
  .description('An OCI registry for memflow plugins: oras and memflowup, one store.')
  .version(version)
  .addHelpText(
    'after',
    '\nSettings come from the environment and from .env in this folder; .env.example lists them.',
  )

program
  .command('serve')
  .description('serve the registry until it is stopped')
  .action(() => serve(settings()))

program
  .command('reindex')
  .description('make the index anew, while the registry is not served')
  .option('--from-journal', 'from the journal, where the index is lost or damaged')
  .action(({ fromJournal }: { fromJournal?: true }) =>
    reindexCommand(settings(), fromJournal ? 'journal' : 'index'),
  )

program
  .command('scrub')
  .description('read every blob, also while they are served, and take damaged ones out of service')
  .option('--rate <bytes/s>', 'read no faster', '50MiB/s')
  .option('--restart', 'begin at the beginning, not where the last scrub was stopped')
  .action((options: { rate: string; restart?: true }) => scrubCommand(settings(), options))

program
  .command('gc')
  .description('remove what nothing needs any more, also while the registry is served')
  .option('--dry-run', 'only tell what would go')
  .addOption(
    new Option('--explain <digest>', 'tell what keeps a blob or manifest, or why it goes').conflicts(
      'dryRun',
    ),
  )
  .action((options: { dryRun?: boolean; explain?: string }) => gcCommand(settings(), options))

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof ConfigError)) throw error
  process.stderr.write(`memflow-registry: ${error.message}\n`)
  process.exitCode = 2
}

/** The environment goes before `.env`, as it did for the original. */
function settings(): Config {
  return loadConfig({ ...envFile(), ...process.env })
}

function envFile(): Record<string, string | undefined> {
  try {
    return parseEnv(readFileSync('.env', 'utf8')) as Record<string, string | undefined>
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new ConfigError(`.env: ${(error as Error).message}`)
  }
}

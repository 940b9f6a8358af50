#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { Command } from 'commander'
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

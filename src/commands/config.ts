import { readKeyFiles } from '../compose.ts'
import { type Config, type Env, loadConfig, variableOf } from '../config.ts'
import { ALL_SETTINGS } from '../settings.ts'

/** Prints every setting with the text that is in force and where that comes from. Throws `ConfigError` for a wrong one. */
export function configCommand(file: Env, environment: Env): void {
  const env = { ...file, ...environment }
  const { mirrors } = loadConfig(env)
  const rows = ALL_SETTINGS.map(setting => {
    const variable = variableOf(setting, env)
    const set = env[variable]?.trim()
    const shown = set && setting.secret ? '********' : (set ?? setting.preset ?? '')
    const given = environment[variable]?.trim() ? 'environment' : '.env'
    return [
      setting.name,
      shown,
      set ? `${given}${variable === setting.name ? '' : `, ${variable}`}` : 'default',
    ]
  })
  print(rows)
  if (mirrors.length === 0) return
  process.stdout.write('\nmirrors:\n')
  print(mirrors.map(({ name, kind, url, prefix }) => [name, kind, url, prefix ? `as ${prefix}/…` : '']))
}

/** Reads every file that the settings name as well. Throws `ConfigError` for the first that is wrong. */
export async function configCheckCommand(config: Config): Promise<void> {
  await readKeyFiles(config)
  process.stdout.write('the settings are right\n')
}

/** In columns. */
function print(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map(row => (row[i] ?? '').length)))
  for (const row of rows)
    process.stdout.write(
      `${row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
    )
}

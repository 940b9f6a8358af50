import { text } from 'node:stream/consumers'
import { ConfigError } from '../config.ts'
import { globs } from '../lib/glob.ts'
import type { MirrorSettings } from '../mirror-settings.ts'
import { parseRepository } from '../oci/name.ts'
import { messageOf } from './message.ts'

/** The names are on standard input. */
const STDIN = '-'

/**
 * The names that a sync is of: those that are spelled out, then those of `all` that fit a pattern and are mirrored.
 * Of patterns alone the upstream is asked for its names. Throws `ConfigError`.
 */
export async function wantedNames(
  { kind, allow, deny }: MirrorSettings,
  given: readonly string[],
  options: { readonly tags?: readonly string[]; readonly all?: boolean },
): Promise<(all: () => AsyncIterable<string>) => AsyncIterable<string>> {
  if (kind === 'memflow' && options.tags)
    throw new ConfigError('--tags: plugins have no tags; all builds of a plugin are synced')
  const names = given.flatMap(name => (name === STDIN ? [] : [name]))
  if (given.includes(STDIN)) names.push(...namesIn(await text(process.stdin)))
  if (options.all) names.push('**')
  if (names.length === 0) throw new ConfigError('name what to sync, as the upstream calls it, or use --all')
  const patterns = names.filter(name => name.includes('*'))
  const spelled = new Set(names.filter(name => !name.includes('*')))
  if (kind === 'oci') for (const name of spelled) check(name)
  const [fits, allowed, denied] = [globs(patterns), globs(allow), globs(deny)]
  return async function* (all) {
    yield* spelled
    if (patterns.length === 0) return
    for await (const name of all())
      if (!spelled.has(name) && fits(name) && allowed(name) && !denied(name)) yield name
  }
}

/** One in a line; what follows a # is a comment. */
function namesIn(list: string): string[] {
  return list
    .split('\n')
    .map(line => line.replace(/#.*/, '').trim())
    .filter(name => name !== '')
}

function check(name: string): void {
  try {
    parseRepository(name)
  } catch (cause) {
    throw new ConfigError(`${JSON.stringify(name)}: ${messageOf(cause)}`, { cause })
  }
}

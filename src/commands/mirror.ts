import { type Config, ConfigError } from '../config.ts'
import { formatSize } from '../lib/format-size.ts'
import type { MirrorSettings } from '../mirror-settings.ts'
import { count } from './count.ts'
import { EXIT } from './exit-code.ts'
import { messageOf } from './message.ts'
import { reachRegistry } from './reached-registry.ts'
import { RegistryClient } from './registry-client.ts'
import { StatusLine } from './status-line.ts'
import { SyncRun } from './sync-run.ts'
import { type SyncSource, syncSource } from './sync-source.ts'
import { addTally, newTally, summaryOf } from './sync-tally.ts'
import { wantedNames } from './wanted-names.ts'

export interface SyncOptions {
  /** Patterns; none: all tags. */
  readonly tags?: readonly string[]
  readonly all?: boolean
}

/**
 * Brings repositories, or plugins, of a mirror here, through the registry itself, so that they come as they would for
 * a client; what is here is not fetched again. Also while the storage is served. Throws `ConfigError`.
 */
export async function syncCommand(
  config: Config,
  mirror: string,
  wanted: readonly string[],
  options: SyncOptions,
): Promise<void> {
  const settings = mirrorNamed(config, mirror)
  const names = await wantedNames(settings, wanted, options)
  const stop = new AbortController()
  const onSignal = () => stop.abort()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal)
  const registry = await reachRegistry(config)
  const source = syncSource(settings, options.tags)
  try {
    await sync(source, names, new RegistryClient(registry.url, stop.signal), stop.signal)
  } finally {
    await source.close()
    await registry.close()
  }
}

async function sync(
  source: SyncSource,
  names: (all: () => AsyncIterable<string>) => AsyncIterable<string>,
  client: RegistryClient,
  signal: AbortSignal,
): Promise<void> {
  const status = new StatusLine()
  const print = (line: string) => {
    status.clear()
    process.stdout.write(`${line}\n`)
  }
  const began = performance.now()
  const seconds = () => (performance.now() - began) / 1000
  const total = newTally()
  let came = 0
  try {
    for await (const name of names(() => source.names())) {
      const here = source.localName(name)
      const run: SyncRun = new SyncRun(
        client,
        signal,
        (item, why) => print(`not synced: ${item}: ${why}`),
        bytes => {
          came += bytes
          status.show(() => {
            const rate = `${formatSize(came)} at ${formatSize(came / seconds())}/s`
            return `${here}: ${count(run.tally.manifests, 'manifest')}, ${count(run.tally.blobs, 'blob')}; ${rate}`
          })
        },
      )
      try {
        await source.sync(run, name)
      } finally {
        addTally(total, run.tally)
        if (!signal.aborted) print(`${here}: ${summaryOf(run.tally)}`)
      }
    }
  } catch (error) {
    if (!signal.aborted) {
      total.failed++
      print(`not synced: ${messageOf(error)}`)
    }
  }
  const end = signal.aborted
    ? 'stopped; the same command goes on where it was'
    : `in ${seconds().toFixed(1)} s`
  print(`in all: ${summaryOf(total)}, ${end}`)
  process.exitCode = signal.aborted ? EXIT.STOPPED : total.failed > 0 ? EXIT.FINDINGS : 0
}

function mirrorNamed({ mirrors }: Config, wanted: string): MirrorSettings {
  const settings = mirrors.find(({ name }) => name === wanted)
  if (settings) return settings
  const known = mirrors.map(({ name }) => name).join(', ')
  throw new ConfigError(
    `there is no mirror ${JSON.stringify(wanted)}: ${known ? `there are ${known}` : 'set MEMFLOW_MIRROR, MEMFLOW_UPSTREAM or MEMFLOW_MIRRORS_FILE'}`,
  )
}

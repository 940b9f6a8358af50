import { openIndex, openStore, StorageInUse, startClock } from '../compose.ts'
import type { Config } from '../config.ts'
import { type Collected, Collector } from '../core/garbage/collector.ts'
import type { Explanation } from '../core/garbage/explanation.ts'
import type { Garbage } from '../core/garbage/sweep.ts'
import { Clock } from '../lib/clock.ts'
import { formatDuration } from '../lib/units.ts'
import { createLogger } from '../log.ts'
import { ServingProcess } from './serving-process.ts'

/** Garbage collection of one storage. */
export interface Collecting {
  collect(options: {
    dryRun: boolean
    graceMs: number | undefined
    onGarbage: (garbage: Garbage) => void
  }): Promise<Collected>
  /** Of a digest or the beginning of one. Undefined where there is nothing of that digest. */
  explain(digest: string): Promise<Explanation | undefined>
  close(): Promise<void>
}

/** By this process; by the one that serves the storage, where there is one: it alone has the index. Throws `ConfigError`. */
export async function openCollecting(config: Config): Promise<Collecting> {
  try {
    return await ownCollecting(config)
  } catch (error) {
    if (error instanceof StorageInUse) return servedCollecting(config)
    throw error
  }
}

async function ownCollecting(config: Config): Promise<Collecting> {
  const log = createLogger(config.logLevel, config.logFormat)
  // The store first: it refuses a folder that is no storage before anything is written there.
  const store = await openStore(config, damage => log.error(damage, 'a damaged blob is out of service'))
  const index = await openIndex(config, log)
  try {
    const clock = new Clock()
    await startClock(clock, index, log)
    const collector = new Collector({ store, index, clock, policy: config })
    await collector.begin()
    return {
      collect: options => collector.collect(options),
      explain: digest => collector.explain(digest),
      close: () => index.close(),
    }
  } catch (error) {
    await index.close()
    throw error
  }
}

async function servedCollecting(config: Config): Promise<Collecting> {
  const serving = await ServingProcess.of(config)
  return {
    collect: async ({ dryRun, graceMs, onGarbage }) => {
      const query = new URLSearchParams({
        ...(dryRun && { 'dry-run': '' }),
        ...(graceMs !== undefined && { grace: formatDuration(graceMs) }),
      })
      const path = `/ops/gc?${query}`
      for await (const line of serving.lines<Garbage | { collected: Collected }>('POST', path)) {
        if ('collected' in line) return line.collected
        onGarbage(line)
      }
      throw serving.stopped()
    },
    explain: async digest => {
      const response = await serving.ask('GET', `/ops/gc/${digest}`)
      if (response.ok) return (await response.json()) as Explanation
      const text = await response.text()
      if (response.status === 404) return undefined
      throw new Error(text)
    },
    close: async () => {},
  }
}

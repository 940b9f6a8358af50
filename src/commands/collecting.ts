import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { openIndex, openStore, StorageInUse } from '../compose.ts'
import { type Config, ConfigError } from '../config.ts'
import { type Collected, Collector } from '../core/collector.ts'
import type { Explanation } from '../core/explanation.ts'
import type { Garbage } from '../core/sweep.ts'
import { Clock } from '../lib/clock.ts'
import { lines } from '../lib/lines.ts'
import { createLogger } from '../log.ts'
import type { Digest } from '../oci/digest.ts'

/** Garbage collection of one storage. */
export interface Collecting {
  collect(options: { dryRun: boolean; onGarbage: (garbage: Garbage) => void }): Promise<Collected>
  /** Undefined where there is nothing of that digest. */
  explain(digest: Digest): Promise<Explanation | undefined>
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
  const log = createLogger(config.logLevel)
  const index = await openIndex(config, error => log.error({ err: error }, 'the index failed'))
  try {
    const store = await openStore(config, damage => log.error(damage, 'a damaged blob is out of service'))
    const collector = new Collector({ store, index, clock: new Clock(), policy: config })
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
  const url = addressOf(config)
  const token =
    config.bearerToken ?? (await readFile(join(config.storageRoot, 'bearer-token'), 'utf8')).trim()

  async function ask(method: string, path: string): Promise<Response> {
    const headers = { authorization: `Bearer ${token}` }
    const response = await fetch(url + path, { method, headers }).catch(cause => {
      throw new ConfigError(
        `MEMFLOW_ADDR: ${config.storageRoot} is being served, but not at ${url}; set the address of that process, or stop it`,
        { cause },
      )
    })
    if (response.status !== 401) return response
    throw new ConfigError(`MEMFLOW_BEARER_TOKEN: it is not the token of the registry at ${url}`)
  }

  return {
    collect: async ({ dryRun, onGarbage }) => {
      const response = await ask('POST', `/ops/gc${dryRun ? '?dry-run' : ''}`)
      if (!response.ok) throw new Error(await response.text())
      for await (const { text } of lines(Readable.fromWeb(response.body as ReadableStream))) {
        if (text === '') continue
        const said = JSON.parse(text) as Garbage | { collected: Collected } | { error: string }
        if ('collected' in said) return said.collected
        if ('error' in said) throw new Error(said.error)
        onGarbage(said)
      }
      throw new Error(`the registry at ${url} stopped before it was done`)
    },
    explain: async digest => {
      const response = await ask('GET', `/ops/gc/${digest}`)
      if (response.ok) return (await response.json()) as Explanation
      const text = await response.text()
      if (response.status === 404) return undefined
      throw new Error(text)
    },
    close: async () => {},
  }
}

/** Where a process with these settings is reached from this machine. */
function addressOf({ address: { host, port } }: Config): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`
}

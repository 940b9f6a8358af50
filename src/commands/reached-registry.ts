import type { AddressInfo } from 'node:net'
import { compose, StorageInUse } from '../compose.ts'
import type { Config } from '../config.ts'
import { closeServer, createHttpServer } from '../http/server.ts'
import { createLogger } from '../log.ts'
import { ServingProcess } from './serving-process.ts'

/** A registry that can be asked over HTTP, until it is closed. */
export interface ReachedRegistry {
  readonly url: string
  close(): Promise<void>
}

/** The one that serves the storage; where none does, one of this process's own, for this machine alone. Throws `ConfigError`. */
export async function reachRegistry(config: Config): Promise<ReachedRegistry> {
  try {
    return await ownRegistry(config)
  } catch (error) {
    if (!(error instanceof StorageInUse)) throw error
    const serving = await ServingProcess.of(config)
    await (await serving.ask('GET', '/v2/')).body?.cancel()
    return { url: serving.url, close: async () => {} }
  }
}

async function ownRegistry(config: Config): Promise<ReachedRegistry> {
  const { app, close } = await compose(config, createLogger(config.logLevel, config.logFormat))
  const server = createHttpServer(app)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      await closeServer(server)
      await close()
    },
  }
}

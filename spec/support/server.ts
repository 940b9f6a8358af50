import { readdir } from 'node:fs/promises'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type Koa from 'koa'
import { type Config, loadConfig } from '../../src/config.ts'
import { createHttpServer } from '../../src/http/server.ts'
import { createLogger, type Logger } from '../../src/log.ts'
import { type Answer, ask, type Question } from './ask.ts'
import { returnStorage, takeStorage } from './storage.ts'

/** As it was built, where SPEC_BUILT says so: its analyzer's thread starts in a fifth of the time. */
const COMPOSE = new URL(
  process.env.SPEC_BUILT ? '../../dist/compose.js' : '../../src/compose.ts',
  import.meta.url,
)

export interface ServerOptions {
  /** Public keys in PEM files, as MEMFLOW_PUBLIC_KEY_FILE names them. None: signatures are not verified. */
  readonly keys?: string | undefined
  readonly token?: string
  /** A folder that stays; else a new one that goes with `close()`. */
  readonly storage?: string
  /** Whatever else of the settings is not as usual. */
  readonly policy?: Partial<Config>
  readonly log?: Logger
}

export interface RunningRegistry {
  readonly url: string
  readonly token: string
  readonly storage: string
  /** A request of somebody who may read. */
  ask(method: string, path: string, question?: Question): Promise<Answer>
  /** A request of somebody who may write. */
  write(method: string, path: string, question?: Question): Promise<Answer>
  /** Names of what is staged, neither published nor given up. */
  staged(): Promise<string[]>
  /** The number of open connections. */
  connections(): Promise<number>
  /** Cuts all connections; a second time does nothing. */
  close(): Promise<void>
}

/** An app alone on a free port of the loopback interface; `close()` cuts all connections. */
export async function listen(app: Koa): Promise<{ url: string; server: Server; close(): Promise<void> }> {
  const server = createHttpServer(app)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    server,
    close: async () => {
      const closed = new Promise(resolve => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

/** The whole registry in this process, on a free port of the loopback interface. */
export async function startRegistry({
  keys,
  token = 'secret',
  storage,
  policy,
  log = createLogger('off'),
}: ServerOptions = {}): Promise<RunningRegistry> {
  const root = storage ?? (await takeStorage())
  const settings = loadConfig({ MEMFLOW_STORAGE_ROOT: root, MEMFLOW_PUBLIC_KEY_FILE: keys })
  const { compose } = (await import(COMPOSE.href)) as typeof import('../../src/compose.ts')
  const { app, close } = await compose({ ...settings, bearerToken: token, ...policy }, log)
  const server = await listen(app)
  const { url } = server
  const end = async () => {
    await server.close()
    await close()
    if (storage === undefined) await returnStorage(root)
  }
  let closed: Promise<void> | undefined
  return {
    url,
    token,
    storage: root,
    ask: (method, path, question) => ask(url, method, path, question),
    write: (method, path, { headers, body } = {}) =>
      ask(url, method, path, { headers: { authorization: `Bearer ${token}`, ...headers }, body }),
    staged: () => readdir(join(root, 'uploads')),
    connections: () => promisify(server.server.getConnections.bind(server.server))(),
    close: () => {
      closed ??= end()
      return closed
    },
  }
}

/** Inside a describe block: `const registry = serving()`; one registry for all its tests, as `registry()`. */
export function serving(options: ServerOptions | (() => ServerOptions) = {}): () => RunningRegistry {
  let running: RunningRegistry

  before(async () => {
    running = await startRegistry(typeof options === 'function' ? options() : options)
  })

  after(() => running.close())

  return () => running
}

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Service } from './service.ts'

const PROJECT = fileURLToPath(new URL('../../', import.meta.url))

/** The command under test; `SERVER_COMMAND` puts another one in its place, which reads the same environment. */
export const COMMAND: readonly string[] = (
  process.env.SERVER_COMMAND ??
  `${process.execPath} --env-file=${join(PROJECT, 'node.env')} ${join(PROJECT, 'dist/cli.js')} serve`
).split(' ')

/** Of those who may write. */
export const TOKEN = 'a-token-for-conformance'

/** A registry that really runs. */
export type Server = Service & {
  /** The folder that has its data. */
  readonly storage: string
}

/** Starts the registry with its data under `folder` and waits until it answers. */
export async function startServer(folder: string, env?: Record<string, string>): Promise<Server> {
  const server = await launchServer(folder, env)
  await server.ready()
  return server
}

/** The same without the wait; under another command, where one is given, such as strace; on that port, if one is given. */
export async function launchServer(
  folder: string,
  env: Record<string, string> = {},
  under: readonly string[] = [],
  wanted?: number,
): Promise<Server> {
  const storage = join(folder, 'storage')
  await mkdir(storage, { recursive: true })
  const launcher = (_: string, port: number) => ({
    command: [...under, ...COMMAND],
    env: {
      MEMFLOW_ADDR: `127.0.0.1:${port}`,
      MEMFLOW_STORAGE_ROOT: storage,
      MEMFLOW_BEARER_TOKEN: TOKEN,
      ...env,
    },
    startMs: 30_000,
  })
  const service = await Service.launch(folder, launcher, wanted)
  return Object.assign(service, { storage })
}

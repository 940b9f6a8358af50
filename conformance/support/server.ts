import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const PROJECT = fileURLToPath(new URL('../../', import.meta.url))
const START_MS = 30_000
const STOP_MS = 10_000

/** The command under test; `SERVER_COMMAND` puts another one in its place, which reads the same environment. */
const COMMAND = process.env.SERVER_COMMAND ?? `${process.execPath} ${join(PROJECT, 'dist/cli.js')} serve`

/** A registry that really runs: a process of its own on a port of its own. */
export interface Server {
  readonly url: string
  /** `127.0.0.1:PORT`, the way OCI references begin. */
  readonly host: string
  readonly storage: string
  readonly pid: number
  /** Everything it wrote so far. */
  log(): string
  /** Waits until it answers. */
  ready(): Promise<void>
  stop(): Promise<void>
  /** Ends it at once, with SIGKILL. */
  kill(): Promise<void>
}

/** Starts the registry with its data under `folder` and waits until it answers. */
export async function startServer(folder: string, env?: Record<string, string>): Promise<Server> {
  const server = await launchServer(folder, env)
  await server.ready()
  return server
}

/** The same without the wait; under another command, where one is given, such as strace. */
export async function launchServer(
  folder: string,
  env: Record<string, string> = {},
  under: readonly string[] = [],
): Promise<Server> {
  const storage = join(folder, 'storage')
  await mkdir(storage, { recursive: true })
  const host = `127.0.0.1:${await freePort()}`
  const url = `http://${host}`
  const [command = '', ...args] = [...under, ...COMMAND.split(' ')]
  const child = spawn(command, args, {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, MEMFLOW_ADDR: host, MEMFLOW_STORAGE_ROOT: storage, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  child.once('error', error => (log += error))
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (log += chunk))
  return {
    url,
    host,
    storage,
    pid: child.pid ?? 0,
    log: () => log,
    ready: () => answers(url, child, () => log),
    stop: () => end(child, 'SIGTERM'),
    kill: () => end(child, 'SIGKILL'),
  }
}

async function answers(url: string, child: ChildProcess, log: () => string): Promise<void> {
  const deadline = Date.now() + START_MS
  while (Date.now() < deadline) {
    if (hasEnded(child)) throw new Error(`the server ended with ${child.exitCode}:\n${log()}`)
    const response = await fetch(`${url}/health`).catch(() => undefined)
    await response?.body?.cancel()
    if (response) return
    await sleep(50)
  }
  child.kill('SIGKILL')
  throw new Error(`the server did not answer within ${START_MS} ms:\n${log()}`)
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (hasEnded(child)) return
  const closed = once(child, 'close')
  child.kill(signal)
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await closed
  clearTimeout(late)
}

/** Also where it never began. */
function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port is free')
  return address.port
}

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
  /** Everything it wrote so far. */
  log(): string
  stop(): Promise<void>
}

/** Starts the registry with its data under `folder` and waits until it answers. */
export async function startServer(folder: string, env: Record<string, string> = {}): Promise<Server> {
  const storage = join(folder, 'storage')
  await mkdir(storage, { recursive: true })
  const host = `127.0.0.1:${await freePort()}`
  const url = `http://${host}`
  const [command = '', ...args] = COMMAND.split(' ')
  const child = spawn(command, args, {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, MEMFLOW_ADDR: host, MEMFLOW_STORAGE_ROOT: storage, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  const failed = new Promise<never>((_, reject) => child.once('error', reject))
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (log += chunk))
  await Promise.race([answers(url, child, () => log), failed])
  return { url, host, storage, log: () => log, stop: () => stop(child) }
}

async function answers(url: string, child: ChildProcess, log: () => string): Promise<void> {
  const deadline = Date.now() + START_MS
  while (Date.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}:\n${log()}`)
    const response = await fetch(`${url}/health`).catch(() => undefined)
    await response?.body?.cancel()
    if (response) return
    await sleep(50)
  }
  child.kill('SIGKILL')
  throw new Error(`the server did not answer within ${START_MS} ms:\n${log()}`)
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, 'close')
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await closed
  clearTimeout(late)
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

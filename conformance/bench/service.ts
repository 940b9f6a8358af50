import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const START_MS = 60_000
const STOP_MS = 10_000

/** How a server is started. */
export interface Launch {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Configuration, by the name of its file in the server's folder. */
  readonly files?: Readonly<Record<string, string>>
}

/** A server in a process and a folder of its own. */
export class Service {
  readonly url: string
  readonly pid: number
  readonly #child: ChildProcess
  readonly #log: () => string

  private constructor(url: string, child: ChildProcess, log: () => string) {
    this.url = url
    this.pid = child.pid ?? 0
    this.#child = child
    this.#log = log
  }

  /** Starts the server in the folder, which is made if missing, and waits until it answers anything. */
  static async start(folder: string, launch: (folder: string, port: number) => Launch): Promise<Service> {
    const port = await freePort()
    const { command, args, env, files = {} } = launch(folder, port)
    await mkdir(folder, { recursive: true })
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
    const child = spawn(command, args, {
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: folder, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let log = ''
    child.once('error', error => (log += error))
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', chunk => (log = (log + chunk).slice(-10_000)))
    }
    const service = new Service(`http://127.0.0.1:${port}`, child, () => log)
    await service.#answers()
    return service
  }

  async stop(): Promise<void> {
    if (this.#hasEnded()) return
    const closed = once(this.#child, 'close')
    this.#child.kill('SIGTERM')
    const late = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS)
    await closed
    clearTimeout(late)
  }

  async #answers(): Promise<void> {
    for (const deadline = Date.now() + START_MS; Date.now() < deadline; await sleep(5)) {
      if (this.#hasEnded())
        throw new Error(`${this.#child.spawnfile} ended with ${this.#child.exitCode}:\n${this.#log()}`)
      const response = await fetch(`${this.url}/health`).catch(() => undefined)
      await response?.body?.cancel()
      if (response) return
    }
    await this.stop()
    throw new Error(`${this.#child.spawnfile} did not answer within ${START_MS} ms:\n${this.#log()}`)
  }

  /** Also where it never began. */
  #hasEnded(): boolean {
    return this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

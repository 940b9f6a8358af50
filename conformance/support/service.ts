import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Milliseconds, more than the registry gives requests that are under way (15 s), and a busy machine. */
const STOP_MS = 120_000

/** How a server is started. */
export interface Launch {
  /** The program and its arguments. */
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Configuration, by the name of its file in the server's folder. */
  readonly files?: Readonly<Record<string, string>>
  /** How long it may take until it answers, in milliseconds; two minutes if not given. */
  readonly startMs?: number
}

/** How it is started in that folder, on that port of the loopback interface. */
export type Launcher = (folder: string, port: number) => Launch

/** A server that really runs: in a process and a folder of its own, on a port of its own. */
export class Service {
  /** `127.0.0.1:PORT`, the way OCI references begin. */
  readonly host: string
  readonly #child: ChildProcess
  readonly #startMs: number
  /** With all it wrote, or as it never began. */
  readonly #closed: Promise<void>
  #ended = false
  #log = ''

  private constructor(host: string, child: ChildProcess, startMs: number) {
    this.host = host
    this.#child = child
    this.#startMs = startMs
    const note = (chunk: unknown) => {
      this.#log += chunk
    }
    child.once('error', note)
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', note)
    this.#closed = new Promise(resolve => {
      child.once('close', () => {
        this.#ended = true
        resolve()
      })
    })
  }

  /** Starts the server in the folder, which is made if missing, and waits until it answers anything. */
  static async start(folder: string, launcher: Launcher): Promise<Service> {
    const service = await Service.launch(folder, launcher)
    await service.ready()
    return service
  }

  /** The same without the wait; on that port, if one is given. */
  static async launch(folder: string, launcher: Launcher, wanted?: number): Promise<Service> {
    const port = wanted ?? (await freePort())
    const { command, env, files = {}, startMs = 120_000 } = launcher(folder, port)
    await mkdir(folder, { recursive: true })
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
    const [program = '', ...args] = command
    const child = spawn(program, args, {
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: folder, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    return new Service(`127.0.0.1:${port}`, child, startMs)
  }

  get url(): string {
    return `http://${this.host}`
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Whether the process has ended, by itself or not. */
  get ended(): boolean {
    return this.#ended
  }

  /** Everything it wrote so far. */
  log(): string {
    return this.#log
  }

  /** Waits until it answers; throws with all it wrote where it ends instead, or takes too long. */
  async ready(): Promise<void> {
    for (const deadline = Date.now() + this.#startMs; Date.now() < deadline; await sleep(5)) {
      if (this.#ended) throw this.#failure(`ended with ${this.#child.exitCode}`)
      // A connection that is kept open would be among those that are counted.
      const response = await fetch(`${this.url}/health`, { headers: { connection: 'close' } }).catch(
        () => undefined,
      )
      await response?.body?.cancel()
      if (response) return
    }
    await this.kill()
    throw this.#failure(`did not answer within ${this.#startMs} ms`)
  }

  /** Asks it to end with SIGTERM, and ends it where that takes too long. */
  stop(): Promise<void> {
    return this.#end('SIGTERM')
  }

  /** Ends it at once, with SIGKILL. */
  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#ended) return
    this.#child.kill(signal)
    const late = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS)
    await this.#closed
    clearTimeout(late)
  }

  #failure(what: string): Error {
    return new Error(
      `the server ${what}:\n${this.#log}\nit was started by ${this.#child.spawnargs.join(' ')}`,
    )
  }
}

/** A port of the loopback interface that nothing listens on. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

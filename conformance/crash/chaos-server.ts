import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { promisify } from 'node:util'
import { COMMAND, launchServer, type Server } from '../support/server.ts'
import { freePort } from '../support/service.ts'
import type { Tally } from './tally.ts'

const run = promisify(execFile)

/** A registry in a process of its own that is stopped, killed and started again on the same port. */
export class ChaosServer {
  readonly url: string
  readonly storage: string
  readonly #folder: string
  readonly #port: number
  readonly #env: Readonly<Record<string, string>>
  readonly #tally: Tally
  #server: Server | undefined
  /** True while the process is not meant to run. */
  #down = true

  private constructor(folder: string, port: number, env: Readonly<Record<string, string>>, tally: Tally) {
    this.#folder = folder
    this.storage = `${folder}/storage`
    this.#port = port
    this.#env = env
    this.#tally = tally
    this.url = `http://127.0.0.1:${port}`
  }

  /** Not started yet. */
  static async of(folder: string, env: Readonly<Record<string, string>>, tally: Tally): Promise<ChaosServer> {
    return new ChaosServer(folder, await freePort(), env, tally)
  }

  get pid(): number {
    return this.#server?.pid ?? 0
  }

  /** Whether the process ended though it was not told to. */
  get crashed(): boolean {
    return !this.#down && this.#server?.ended === true
  }

  log(): string {
    return this.#server?.log() ?? ''
  }

  /** Throws with what it wrote if it does not start. */
  async start(more: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#server = await launchServer(this.#folder, { ...this.#env, ...more }, [], this.#port)
    await this.#server.ready()
    this.#down = false
  }

  async stop(): Promise<void> {
    this.#down = true
    await this.#server?.stop()
    this.#readLog()
  }

  async kill(): Promise<void> {
    this.#down = true
    await this.#server?.kill()
    this.#readLog()
  }

  /** Sets how many descriptors the running process may have; undefined: as many as at its start. */
  async limitDescriptors(limit?: number): Promise<void> {
    const { pid } = this
    const { stdout } = await run('prlimit', [
      '--pid',
      String(pid),
      '--nofile',
      '--noheadings',
      '--output=HARD',
    ])
    const hard = Number(stdout)
    await run('prlimit', ['--pid', String(pid), `--nofile=${limit ?? hard}:${hard}`])
  }

  async descriptors(): Promise<number> {
    return (await readdir(`/proc/${this.pid}/fd`)).length
  }

  /** What `fsck` says of the storage of the stopped server; undefined if it finds nothing. */
  async fsck(): Promise<string | undefined> {
    const [program = '', ...args] = COMMAND.map(word => (word === 'serve' ? 'fsck' : word))
    const env = {
      PATH: process.env.PATH,
      ...this.#env,
      MEMFLOW_STORAGE_ROOT: this.storage,
      MEMFLOW_LOG: 'error',
    }
    try {
      await run(program, args, { env, cwd: this.#folder })
      return undefined
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
      return `${stdout}${stderr}`.trim() || String(error)
    }
  }

  /** Counts what it has logged as errors. */
  #readLog(): void {
    for (const line of this.log().split('\n')) {
      if (!/"level":(?:50|60)/.test(line)) continue
      const { msg, err } = JSON.parse(line) as { msg?: string; err?: { message?: string } }
      this.#tally.count(
        `server log: ${msg}: ${`${err?.message}`.replace(/[\w/.-]*\/[\w/.-]*/g, '…').slice(0, 60)}`,
      )
    }
  }
}

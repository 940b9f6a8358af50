import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { until } from './until.ts'

/** As it was built, where SPEC_BUILT says so: a start takes a third of the time. */
const PROGRAM = process.env.SPEC_BUILT
  ? [at('dist/cli.js')]
  : ['--import', createRequire(import.meta.url).resolve('tsx'), at('src/cli.ts')]

function at(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url))
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The command as a process of its own, in a folder and with an environment that hold nothing else; `input` is its standard input, `uid` the user. */
export class Command {
  readonly process: ChildProcess
  readonly ended: Promise<Ended>
  #stdout = ''
  #stderr = ''

  constructor(
    args: readonly string[],
    cwd: string,
    env: Readonly<Record<string, string>> = {},
    input?: string,
    uid?: number,
  ) {
    this.process = spawn(process.execPath, [...PROGRAM, ...args], {
      cwd,
      env: { PATH: process.env.PATH, ...env },
      ...(uid !== undefined && { uid }),
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    this.process.stdin?.end(input)
    this.process.stdout?.setEncoding('utf8').on('data', chunk => {
      this.#stdout += chunk
    })
    this.process.stderr?.setEncoding('utf8').on('data', chunk => {
      this.#stderr += chunk
    })
    this.ended = once(this.process, 'close').then(([code]) => ({
      code: code as number | null,
      stdout: this.#stdout,
      stderr: this.#stderr,
    }))
  }

  get stdout(): string {
    return this.#stdout
  }

  get stderr(): string {
    return this.#stderr
  }

  /** The address that it prints when it serves. */
  async url(): Promise<string> {
    const printed = /serves (http:\S+) from/
    await until(() => printed.test(this.#stdout) || this.process.exitCode !== null || this.process.killed)
    const [, url] = printed.exec(this.#stdout) ?? []
    if (url) return url
    throw new Error(`it does not serve: ${this.#stdout}${this.#stderr}`)
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.process.kill(signal)
    return await this.ended
  }
}

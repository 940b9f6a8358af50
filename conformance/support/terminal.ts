import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { RunOptions } from './process.ts'

/** A bash that runs one command after the other, as a user does who types them. */
export class Terminal {
  readonly #bash: ChildProcessWithoutNullStreams
  #output = ''
  #ended = false

  constructor({ env = {}, cwd, uid }: RunOptions) {
    this.#bash = spawn('bash', ['--noprofile', '--norc'], {
      env,
      // A group of its own, so that end() reaches what the commands have started.
      detached: true,
      ...(cwd === undefined ? {} : { cwd }),
      ...(uid === undefined ? {} : { uid, gid: uid }),
    })
    this.#bash.stdout.setEncoding('utf8').on('data', text => {
      this.#output += text
    })
    this.#bash.stdin.on('error', () => {})
    this.#bash.once('close', () => {
      this.#ended = true
    })
    this.#bash.stdin.write('exec 2>&1\n')
  }

  /** Starts the command and does not wait for its end. It reads nothing from standard input. */
  start(command: string): void {
    this.#output = ''
    this.#bash.stdin.write(`{ ${command}\n} < /dev/null\nprintf '[exit code %s]' $?\n`)
  }

  /** Runs the command to its end and returns what it printed on both streams. Throws for an exit code other than 0. */
  async run(command: string): Promise<string> {
    this.start(command)
    const [, output = '', code] = await this.waitFor(/^([\s\S]*)\[exit code (\d+)\]$/)
    if (code !== '0') throw new Error(`${command}\nended with ${code}:\n${output}`)
    return output
  }

  /** Waits until everything that was printed matches. Throws if bash ends before. */
  async waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#output)
      if (match) return match
      if (this.#ended) throw new Error(`bash ended before ${pattern} was printed:\n${this.#output}`)
      const waiting = new AbortController()
      await Promise.race(
        [this.#bash.stdout, this.#bash].map((emitter, at) =>
          once(emitter, at === 0 ? 'data' : 'close', { signal: waiting.signal }).catch(() => {}),
        ),
      )
      waiting.abort()
    }
  }

  /** Sends SIGTERM to everything that was started, and waits for its end. */
  async end(): Promise<void> {
    if (this.#ended || this.#bash.pid === undefined) return
    const closed = once(this.#bash, 'close')
    process.kill(-this.#bash.pid, 'SIGTERM')
    await closed
  }
}

import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

export interface Outcome {
  readonly code: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Record<string, string>
  readonly cwd?: string
  readonly stdin?: string
  /** Runs as this user, where the client refuses to be root. */
  readonly uid?: number
}

const LONGEST_RUN = 180_000

/** Where clients are looked up: the folder that `CLIENTS_BIN` names, then `PATH`. */
export const CLIENTS_PATH = [process.env.CLIENTS_BIN, process.env.PATH].filter(Boolean).join(delimiter)

/** The file that a client's name means, or undefined where this machine has none. */
export function findClient(name: string): string | undefined {
  return CLIENTS_PATH.split(delimiter)
    .map(folder => join(folder, name))
    .find(isExecutable)
}

/** Runs a command to its end and never throws for its exit code. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(findClient(command) ?? command, args, {
      env: { PATH: CLIENTS_PATH, ...options.env },
      timeout: LONGEST_RUN,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
    })
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    child.stdout.on('data', chunk => stdout.push(chunk))
    child.stderr.on('data', chunk => stderr.push(chunk))
    child.stdin.on('error', () => {})
    child.stdin.end(options.stdin)
    child.on('error', reject)
    child.on('close', code =>
      resolve({ code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() }),
    )
  })
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

import { createHash } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SigningKey } from './openssl.ts'
import { CLIENTS_PATH, type Outcome, type RunOptions, run } from './process.ts'
import { type Server, startServer, TOKEN } from './server.ts'

/**
 * A started registry that checks signatures, the key that it trusts, and an empty home for the clients.
 * `const session = await Session.start()`, `await session.run('oras', 'pull', …)`, `await session.stop()`
 */
export class Session {
  readonly server: Server
  readonly key: SigningKey
  /** Home of the clients; every file of theirs stays below it. */
  readonly home: string
  readonly #folder: string

  private constructor(folder: string, home: string, server: Server, key: SigningKey) {
    this.#folder = folder
    this.home = home
    this.server = server
    this.key = key
  }

  static async start(env: Record<string, string> = {}): Promise<Session> {
    const folder = await mkdtemp(join(tmpdir(), 'clients-'))
    try {
      await chmod(folder, 0o755)
      const home = join(folder, 'home')
      await mkdir(home)
      await writeFile(join(home, 'auth.json'), '{"auths":{}}')
      const key = await SigningKey.make(folder)
      const server = await startServer(folder, {
        MEMFLOW_PUBLIC_KEY_FILE: key.publicFile,
        ...env,
      })
      return new Session(folder, home, server, key)
    } catch (error) {
      await rm(folder, { recursive: true, force: true })
      throw error
    }
  }

  async stop(): Promise<void> {
    await this.server.stop()
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** `127.0.0.1:PORT/REFERENCE` */
  at(reference: string): string {
    return `${this.server.host}/${reference}`
  }

  /** A path below the clients' home. */
  path(...parts: string[]): string {
    return join(this.home, ...parts)
  }

  /** A new folder below the clients' home. */
  async folder(name: string): Promise<string> {
    await mkdir(this.path(name), { recursive: true })
    return this.path(name)
  }

  /** What the client printed. Throws with all it said where it fails. */
  async run(client: string, ...args: string[]): Promise<string> {
    return (await this.bytes(client, ...args)).toString()
  }

  /** As `run`, for output that is no text. */
  async bytes(client: string, ...args: string[]): Promise<Buffer> {
    const outcome = await this.outcome(client, args)
    if (outcome.code !== 0) throw new Error(describeOutcome(client, args, outcome, this.server.log()))
    return outcome.stdout
  }

  /** What the client said while it failed. Throws where it succeeds. */
  async refused(client: string, ...args: string[]): Promise<string> {
    const outcome = await this.outcome(client, args)
    if (outcome.code === 0) throw new Error(describeOutcome(client, args, outcome, this.server.log()))
    return outcome.stdout + outcome.stderr
  }

  /** Runs the client with nothing of this machine's user in its environment. */
  outcome(client: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const env = {
      PATH: CLIENTS_PATH,
      HOME: this.home,
      XDG_RUNTIME_DIR: this.home,
      XDG_CONFIG_HOME: this.path('.config'),
      DOCKER_CONFIG: this.path('.docker'),
      REGISTRY_AUTH_FILE: this.path('auth.json'),
      TMPDIR: this.#folder,
      ...options.env,
    }
    return run(client, args, { cwd: this.home, ...options, env })
  }

  /** GET, without credentials. */
  get(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(this.server.url + path, { headers })
  }

  /** The document behind a path. */
  async json<T>(path: string): Promise<T> {
    const response = await this.get(path)
    if (!response.ok) throw new Error(`GET ${path} -> ${response.status} ${await response.text()}`)
    return (await response.json()) as T
  }

  /** Uploads a file the way the README tells: signed by openssl, sent by curl. */
  async upload(file: string, signature?: string): Promise<string> {
    return await this.run(
      'curl',
      ...['-sS', '-H', `Authorization: Bearer ${TOKEN}`, '-F', `file=@${file}`],
      ...['-F', `signature=${signature ?? (await this.key.sign(file))}`, `${this.server.url}/files`],
    )
  }
}

/** sha256 of a file, in hex. */
export async function digestOfFile(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
}

function describeOutcome(client: string, args: readonly string[], outcome: Outcome, log: string): string {
  const said = `${outcome.stdout.toString()}${outcome.stderr}`.trim()
  const tail = log
    .trim()
    .split('\n')
    .slice(-5)
    .map(line => line.slice(0, 300))
    .join('\n')
  return `${client} ${args.join(' ')}\nended with ${outcome.code}:\n${said}\nthe server's log ends with:\n${tail}`
}

import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../support/random.ts'
import { launchServer, type Server, startServer } from '../support/server.ts'
import { checkLeft } from './disk.ts'
import { HeldBlobs } from './kill-blobs.ts'
import { PluginClient } from './kill-plugins.ts'
import { PushClient } from './kill-pushes.ts'
import { SessionClient } from './kill-sessions.ts'
import { TagSet } from './kill-tags.ts'
import { type Client, live, type World } from './kill-world.ts'
import { contentOf, RegistryClient } from './registry-client.ts'
import type { Tally } from './tally.ts'

const REPOSITORIES = ['one', 'two', 'three/deep']
const SETTINGS = { MEMFLOW_MIN_FREE_SPACE: '0' }
const COLLECTING = { ...SETTINGS, MEMFLOW_GC_EVERY: '1s', MEMFLOW_GC_GRACE: '2s' }
const CLEANING = { ...SETTINGS, MEMFLOW_GC_EVERY: '1s', MEMFLOW_GC_GRACE: '1s', MEMFLOW_UPLOAD_TTL: '1s' }
const GRACE = 2000
/** When garbage is collected first, in milliseconds after a start. */
const FIRST_PASS = 1000

/** What a storage folder consists of when nothing is under way. */
const LAYOUT = ['blobs', 'index', 'journal', 'layout', 'quarantine', 'uploads']

/** One storage folder and its clients, through servers that are killed one after the other. */
export class Trial {
  readonly #folder: string
  readonly #collecting: boolean
  readonly #world: World
  readonly #pushes: readonly PushClient[]
  readonly #plugins: readonly PluginClient[]
  readonly #sessions: readonly SessionClient[]
  #server: Server
  #started = performance.now()

  private constructor(folder: string, server: Server, collecting: boolean, tally: Tally, random: Random) {
    this.#folder = folder
    this.#server = server
    this.#collecting = collecting
    this.#world = {
      registry: new RegistryClient(server.url),
      killed: false,
      tally,
      random,
      repositories: REPOSITORIES,
      contents: Array.from({ length: 16 }, (_, i) =>
        contentOf(Buffer.alloc(2 + ((i * 7919) % 100_000), `content ${i}`)),
      ),
      tags: REPOSITORIES.flatMap(repository => [
        new TagSet(repository, ['ours']),
        new TagSet(repository, ['our-a', 'our-b', 'our-c']),
      ]),
      blobs: new HeldBlobs(tally, random, collecting ? GRACE : Number.POSITIVE_INFINITY),
    }
    const clients = <T>(names: string, make: (name: string) => T) => [...names].map(make)
    this.#pushes = clients('abcd', name => new PushClient(this.#world, name))
    this.#plugins = clients('pq', name => new PluginClient(this.#world, name))
    this.#sessions = clients('xy', name => new SessionClient(this.#world, name))
  }

  get #lasting(): readonly (PushClient | PluginClient)[] {
    return [...this.#pushes, ...this.#plugins]
  }

  get #clients(): readonly Client[] {
    return [...this.#lasting, ...this.#sessions]
  }

  /** With garbage collection all the time, or without any. */
  static async begin(collecting: boolean, tally: Tally, random: Random): Promise<Trial> {
    const folder = await mkdtemp(join(tmpdir(), 'kill-'))
    const server = await startServer(folder, collecting ? COLLECTING : SETTINGS)
    return new Trial(folder, server, collecting, tally, random)
  }

  /** Load, the end of the server somewhere in it, a new server, and a look at everything. */
  async round(): Promise<void> {
    const { random, tally } = this.#world
    const loaded = 20 + random.below(380)
    if (this.#collecting && random.oneIn(2)) {
      const aim = this.#started + FIRST_PASS - 50 + random.below(150)
      await sleep(Math.max(0, aim - loaded - performance.now()))
    }
    // The first plugin waits for a thread to start; half of the rounds begin behind that.
    if (random.oneIn(2)) await this.#plugins[0]?.act()
    const acting = Promise.all(this.#clients.map(client => live(client, this.#world)))
    // Handled below, where the time is over.
    acting.catch(() => {})
    await sleep(loaded)
    this.#world.killed = true
    await this.#server.kill()
    await acting
    this.#readLog()
    if (random.oneIn(5)) {
      const server = await launchServer(this.#folder, SETTINGS)
      await sleep(random.below(700))
      await server.kill()
      tally.count('killed while starting')
    }
    await this.#start(this.#collecting ? COLLECTING : SETTINGS)
    this.#world.blobs.forget(4)
    await this.#check()
  }

  /** Uploads are ended, garbage and what was abandoned is collected; nothing else may be left. */
  async end(): Promise<void> {
    const { tally } = this.#world
    for (const client of this.#sessions) await client.finish()
    this.#world.blobs.forget(1)
    await this.#check()
    await this.#server.kill()
    this.#readLog()
    await this.#start(CLEANING)
    const needed = new Set(this.#lasting.flatMap(client => client.needed()))
    const { storage } = this.#server
    await checkLeft(storage, needed, tally)
    const others = (await readdir(storage)).filter(name => !LAYOUT.includes(name))
    tally.check(others.length === 0, `left over: ${others}`)
    const temporary = (await readdir(join(storage, 'journal'))).filter(
      name => !/^\d+\.(log|snapshot)$/.test(name),
    )
    tally.check(temporary.length === 0, `left over: ${temporary} in the journal`)
    await Promise.all(this.#lasting.map(client => client.check()))
    await this.#server.stop()
    this.#readLog()
  }

  /** Ends what runs; answers where the folder is kept. */
  async stop(keep: boolean): Promise<string> {
    await this.#server.kill()
    if (!keep) await rm(this.#folder, { recursive: true })
    return this.#folder
  }

  async #start(settings: Record<string, string>): Promise<void> {
    this.#server = await startServer(this.#folder, settings)
    this.#started = performance.now()
    this.#world.registry = new RegistryClient(this.#server.url)
    this.#world.killed = false
  }

  async #check(): Promise<void> {
    const { blobs, registry, tags } = this.#world
    await blobs.check(registry)
    await Promise.all(tags.map(set => set.check(this.#world)))
    await Promise.all(this.#clients.map(client => client.check()))
  }

  #readLog(): void {
    const { tally } = this.#world
    for (const line of this.#server.log().split('\n')) {
      if (/"level":"(?:error|fatal)"/.test(line))
        tally.check(false, `failed: the server says ${line.slice(0, 500)}`)
      if (line.includes('"garbage was collected"')) tally.count('collections of garbage')
    }
  }
}

import { AbandoningClient } from './chaos-abandoned.ts'
import { ChaosClient } from './chaos-client.ts'
import { ChaosCutter } from './chaos-cutter.ts'
import { ChaosJanitor } from './chaos-janitor.ts'
import { ChaosMirrorClient } from './chaos-mirror.ts'
import { ChaosPluginClient } from './chaos-plugins.ts'
import { ChaosReader } from './chaos-reader.ts'
import type { ChaosRequests } from './chaos-requests.ts'
import type { Agent, World } from './chaos-world.ts'
import { contentOf } from './registry-client.ts'

const MIB = 2 ** 20

/** A repository that only `pushLarge` pushes to. */
const LARGE = 'large'
/** In bytes: on both sides of what is read whole, cached, or sent in many chunks. */
const LARGE_SIZES = [70_000, MIB, 8 * MIB]

/** Names of the two ways in which the mirror reaches the registry: directly, and by a slow line. */
export const MIRRORED = { fast: 'fast', slow: 'slow' } as const

/** All agents of a run. */
export class Cast {
  readonly #world: World
  readonly #url: string
  readonly #clients: readonly ChaosClient[]
  readonly #plugins: readonly ChaosPluginClient[]
  readonly #readers: readonly ChaosReader[]
  readonly #owner: ChaosClient
  readonly #janitor: ChaosJanitor
  readonly #abandoning: AbandoningClient
  readonly #pulling: ChaosMirrorClient
  readonly #large = LARGE_SIZES.map(size => contentOf(Buffer.alloc(size, `large ${size}`)))
  #ended = false
  #living: Promise<void>[] = []

  /** `clients` is how many of them push. */
  constructor(world: World, clients: number, url: string, mirror: () => ChaosRequests) {
    this.#world = world
    this.#url = url
    this.#clients = Array.from({ length: clients }, (_, i) => new ChaosClient(world, `c${i}`))
    this.#plugins = ['p', 'q'].map(name => new ChaosPluginClient(world, name))
    this.#readers = ['r', 's', 't'].map(name => new ChaosReader(world, name))
    this.#owner = new ChaosClient(world, 'owner')
    this.#janitor = new ChaosJanitor(world)
    this.#pulling = new ChaosMirrorClient(world, 'm', mirror(), MIRRORED.fast)
    this.#abandoning = new AbandoningClient(world, mirror(), MIRRORED.slow)
  }

  /** Pushes what is there all the time. */
  async pushLarge(): Promise<void> {
    for (const blob of this.#large)
      while (!(await this.#owner.push(LARGE, [blob]))) this.#world.events.note('a large blob is pushed again')
  }

  /** Pushes, pulls and deletes, without cuts of connections by hand, until `end`. */
  begin(): void {
    this.#begin([...this.#clients, ...this.#plugins, ...this.#readers, this.#pulling])
  }

  /** The same with everything else. */
  beginChaos(): void {
    const blobs = this.#large.map(({ digest }) => `/v2/${LARGE}/blobs/${digest}`)
    const cutters = ['x', 'y', 'z'].map(name => new ChaosCutter(this.#world, name, this.#url, blobs))
    this.begin()
    this.#begin([...cutters, this.#janitor, this.#abandoning])
  }

  /** Resolves when no agent has a request under way, and no connection. */
  async end(): Promise<void> {
    this.#ended = true
    await Promise.all(this.#living)
    this.#living = []
    this.#ended = false
    this.close()
  }

  close(): void {
    const all = [...this.#clients, ...this.#plugins, ...this.#readers]
    for (const agent of [...all, this.#owner, this.#janitor, this.#pulling, this.#abandoning]) agent.close()
  }

  /** Reads all that was acknowledged. */
  async verify(): Promise<void> {
    await this.#readers[0]?.readAll()
    this.close()
  }

  /** Deletes all that was pushed, and all that may have been pushed. */
  async clear(): Promise<void> {
    const all = [...this.#clients, ...this.#plugins, this.#owner, this.#abandoning, this.#janitor]
    await Promise.all(all.map(agent => agent.clear()))
    await this.#janitor.clear()
    this.close()
  }

  #begin(agents: readonly Agent[]): void {
    this.#living.push(...agents.map(agent => this.#live(agent)))
  }

  async #live(agent: Agent): Promise<void> {
    try {
      while (!this.#ended) await agent.act()
    } catch (error) {
      this.#world.events.fail('an agent failed', `${agent.name}: ${(error as Error).stack}`)
    }
    agent.close()
  }
}

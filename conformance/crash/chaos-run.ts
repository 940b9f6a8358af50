import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../support/random.ts'
import { SLOW } from './chaos-abandoned.ts'
import { Cast, MIRRORED } from './chaos-cast.ts'
import { ChaosClock } from './chaos-clock.ts'
import { EventLog } from './chaos-events.ts'
import { FaultTimes } from './chaos-fault-times.ts'
import { type FaultName, Faults } from './chaos-faults.ts'
import { Judge } from './chaos-judge.ts'
import { ChaosLedger } from './chaos-ledger.ts'
import { Line } from './chaos-line.ts'
import { Progress } from './chaos-progress.ts'
import { Recovery } from './chaos-recovery.ts'
import { ChaosRequests } from './chaos-requests.ts'
import { ChaosServer } from './chaos-server.ts'
import { Watch } from './chaos-watch.ts'
import type { World } from './chaos-world.ts'
import { checkLeft } from './disk.ts'
import { contentOf } from './registry-client.ts'
import { SmallDisk } from './small-disk.ts'
import { Tally } from './tally.ts'

const MIB = 2 ** 20
const DISK = 1024 * MIB
const GRACE_MS = 2000
const UPLOAD_TTL_MS = 4000

export interface ChaosOptions {
  readonly faults: ReadonlySet<FaultName>
  readonly seconds: number
  readonly clients: number
  readonly seed: number
}

/** A registry and its mirror under everything that may go wrong at once; see soak.ts. */
export class ChaosRun {
  readonly #options: ChaosOptions
  readonly #folder: string
  readonly #tally = new Tally()
  readonly #events = new EventLog(text => process.stdout.write(`\n${text}`))
  readonly #faults = new FaultTimes()
  readonly #ledger = new ChaosLedger()
  readonly #clock: ChaosClock
  readonly #judge: Judge
  #disk: SmallDisk | undefined
  #agents = 0

  private constructor(options: ChaosOptions, folder: string) {
    this.#options = options
    this.#folder = folder
    this.#clock = new ChaosClock(folder)
    this.#judge = new Judge(this.#faults, this.#clock, UPLOAD_TTL_MS, this.#events, this.#tally)
  }

  /** True if nothing failed. The folder is kept otherwise. */
  static async run(options: ChaosOptions): Promise<boolean> {
    const run = new ChaosRun(options, await mkdtemp(join(tmpdir(), 'chaos-')))
    const { seconds, clients, seed } = options
    console.log(`chaos for ${seconds} s, ${clients} clients that push, --seed ${seed}`)
    try {
      await run.#all()
    } catch (error) {
      run.#events.fail('the run did not come to its end', `${(error as Error).stack}`)
    }
    return run.#close()
  }

  async #all(): Promise<void> {
    await this.#mount()
    await this.#clock.set(0)
    const server = await ChaosServer.of(
      join(this.#folder, 'disk'),
      { ...SETTINGS, ...this.#clock.env },
      this.#tally,
    )
    const lines = await Promise.all([
      Line.open(server.url, Number.POSITIVE_INFINITY),
      Line.open(server.url, SLOW),
    ])
    const mirror = await this.#mirror(lines)
    try {
      await Promise.all([server.start(), mirror.start()])
      await this.#phases(server, mirror, lines)
    } finally {
      for (const line of lines) line.close()
      await Promise.all([server.kill(), mirror.kill()])
    }
  }

  async #phases(server: ChaosServer, mirror: ChaosServer, lines: readonly Line[]): Promise<void> {
    const { seconds, clients } = this.#options
    const world = this.#world(server)
    const cast = new Cast(world, clients, server.url, () => this.#connect(mirror.url))
    const watches = [new Watch('registry', server), new Watch('mirror', mirror)]
    await this.#phase('warm-up', async () => {
      await cast.pushLarge()
      cast.begin()
      await sleep(Math.min(10_000, seconds * 100))
      await cast.end()
      for (const line of lines) line.hangUp()
      for (const watch of watches) await watch.begin()
    })
    const recovery = new Recovery(world)
    const stage = { world, server, clock: this.#clock, disk: this.#disk, recovery }
    const faults = new Faults(stage, this.#options.faults)
    const progress = new Progress(watches, {
      faults: this.#faults,
      ledger: this.#ledger,
      events: this.#events,
    })
    try {
      await this.#phase('chaos', async () => {
        const began = performance.now()
        cast.beginChaos()
        const until = began + seconds * 1000
        await faults.run(until, began + seconds * 500)
        await cast.end()
      })
      recovery.close()
      await this.#phase('what was acknowledged is there', async () => {
        await this.#clock.catchUp()
        await cast.verify()
      })
      await this.#phase('nothing is held any more', async () => {
        for (const line of lines) line.hangUp()
        if (mirror.crashed) this.#events.fail('the mirror ended by itself', mirror.log().slice(-2000))
        for (const watch of watches) await watch.compare(this.#events)
        await this.#checkHealth(world)
      })
      await this.#phase('fsck', () => this.#fsck(server))
      await this.#phase('all is there after a restart, is deleted, and nothing is left', async () => {
        await server.start()
        await cast.verify()
        await cast.clear()
        await this.#checkLeft(world, server)
        await this.#fsck(server)
        await mirror.stop()
      })
    } finally {
      progress.stop()
      this.#report(watches)
    }
  }

  async #phase(name: string, work: () => Promise<void>): Promise<void> {
    const began = performance.now()
    this.#events.note(`begins: ${name}`)
    await work()
    console.log(`${name}: ${((performance.now() - began) / 1000).toFixed(1)} s`)
  }

  async #mount(): Promise<void> {
    const folder = join(this.#folder, 'disk')
    try {
      this.#disk = await SmallDisk.mount('tmpfs', folder, DISK)
    } catch (error) {
      await mkdir(folder, { recursive: true })
      console.log(
        `left out: full disks, because none can be mounted here: ${(error as Error).message.trim()}`,
      )
    }
  }

  /** Its two entries reach the same registry, one of them by a slow line. */
  async #mirror([fast, slow]: readonly Line[]): Promise<ChaosServer> {
    const folder = join(this.#folder, 'mirror')
    await mkdir(folder)
    const file = join(folder, 'mirrors.json')
    const entry = (name: string, line?: Line) => ({ name, kind: 'oci', url: line?.url, prefix: name })
    const mirrors = [entry(MIRRORED.fast, fast), entry(MIRRORED.slow, slow)]
    await writeFile(file, JSON.stringify({ mirrors }))
    const env = { ...SETTINGS, MEMFLOW_MIRRORS_FILE: file, MEMFLOW_MIRROR_MAX_SIZE: '64MiB' }
    return ChaosServer.of(folder, env, this.#tally)
  }

  #connect(url: string): ChaosRequests {
    return new ChaosRequests(url, this.#agents++, (kind, outcome, path) => {
      this.#events.note(`${kind} ${path} -> ${outcome}`)
      this.#tally.count(`requests: ${kind} ${outcome}`)
      if (outcome === 'STALLED') this.#events.fail('a request stalled', `${kind} ${path}`)
    })
  }

  #world(server: ChaosServer): World {
    return {
      tally: this.#tally,
      events: this.#events,
      faults: this.#faults,
      judge: this.#judge,
      ledger: this.#ledger,
      repositories: ['one', 'two', 'three/deep', 'four'],
      contents: Array.from({ length: 24 }, (_, i) =>
        contentOf(Buffer.alloc(1 + ((i * 7919) % 200_000), `content ${i}`)),
      ),
      grace: GRACE_MS,
      connect: () => this.#connect(server.url),
      random: () => new Random(this.#options.seed, this.#agents++),
    }
  }

  async #checkHealth(world: World): Promise<void> {
    const registry = world.connect()
    for (const path of ['/health', '/ready']) {
      const { status, bytes } = await registry.get(path)
      if (status !== 200) this.#events.fail(`${path} is ${status}`, `${bytes}`)
    }
    registry.close()
  }

  async #fsck(server: ChaosServer): Promise<void> {
    await server.stop()
    const found = await server.fsck()
    if (found !== undefined) this.#events.fail('fsck finds something', found)
  }

  async #checkLeft(world: World, { storage }: ChaosServer): Promise<void> {
    const left = new Tally()
    await checkLeft(storage, new Set(), left)
    if (left.failed > 0) this.#events.fail('left over', 'see above')
    const registry = world.connect()
    const { bytes } = await registry.get('/v2/_catalog')
    registry.close()
    if (bytes.toString() !== '{"repositories":[]}') this.#events.fail('left over in the catalog', `${bytes}`)
  }

  #report(watches: readonly Watch[]): void {
    this.#tally.count('ledger: acknowledged', this.#ledger.acknowledged)
    this.#tally.count('ledger: verified at the end', this.#ledger.verified)
    for (const [kind, { count, ms }] of this.#faults.totals) {
      this.#tally.count(`faults: ${kind}`, count)
      this.#tally.count(`faults: ${kind}, seconds`, Math.round(ms / 1000))
    }
    console.log()
    this.#tally.print()
    console.log(`${''.padEnd(42)} ${['first', 'max', 'last'].map(cell => cell.padStart(12)).join('')}`)
    for (const watch of watches) console.log(watch.table().join('\n'))
  }

  /** Prints the failures; true if there are none. */
  async #close(): Promise<boolean> {
    this.#events.flush()
    const { failed, failures } = this.#events
    console.log(`\n${failed === 0 ? 'nothing failed' : `${failed} failed`}, --seed ${this.#options.seed}`)
    for (const [kind, n] of failures) console.log(`FAILED ${String(n).padStart(7)} x ${kind}`)
    if (failed > 0) await this.#keep()
    await this.#disk?.unmount()
    if (failed === 0) await rm(this.#folder, { recursive: true })
    return failed === 0
  }

  /** Nothing stays mounted, so what is on the disk is copied. */
  async #keep(): Promise<void> {
    const { folder } = this.#disk ?? {}
    if (folder) {
      await this.#disk?.free()
      await cp(folder, join(this.#folder, 'kept'), { recursive: true })
    }
    console.log(`kept: ${this.#folder}`)
  }
}

const SETTINGS = {
  MEMFLOW_GC_EVERY: '1s',
  MEMFLOW_GC_GRACE: `${GRACE_MS / 1000}s`,
  MEMFLOW_UPLOAD_TTL: `${UPLOAD_TTL_MS / 1000}s`,
  MEMFLOW_MIN_FREE_SPACE: '0',
  MEMFLOW_CACHE_SIZE: '8MiB',
  MEMFLOW_LOG: 'warn',
}

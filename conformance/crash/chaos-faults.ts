import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../support/random.ts'
import type { ChaosClock } from './chaos-clock.ts'
import type { Recovery } from './chaos-recovery.ts'
import type { ChaosServer } from './chaos-server.ts'
import { RawSocket } from './chaos-socket.ts'
import type { World } from './chaos-world.ts'
import type { SmallDisk } from './small-disk.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
/** By how much the clock is stepped, from the real time on. */
const STEPS = [-60 * MINUTE, -3 * SECOND, 0, 3 * SECOND, 5 * MINUTE, 60 * MINUTE, 25 * 60 * MINUTE]
const START_MS = 60 * SECOND

export const FAULT_NAMES = ['disk', 'descriptors', 'clock', 'restarts'] as const
export type FaultName = (typeof FAULT_NAMES)[number]

export interface Stage {
  readonly world: World
  readonly server: ChaosServer
  readonly clock: ChaosClock
  /** Undefined if this process may not mount one. */
  readonly disk: SmallDisk | undefined
  readonly recovery: Recovery
}

/** Lets faults come and go at random: shortages one after the other, and clock steps and restarts beside them. */
export class Faults {
  readonly #stage: Stage
  readonly #wanted: ReadonlySet<FaultName>
  readonly #random: Random
  #restarting: Promise<void> = Promise.resolve()

  /** Only those of these names come. */
  constructor(stage: Stage, wanted: ReadonlySet<FaultName>) {
    this.#stage = stage
    this.#wanted = wanted
    this.#random = stage.world.random()
  }

  /** Resolves when the last fault has ended. `restartsUntil` leaves one process alone to the end, so that leaks add up. */
  async run(until: number, restartsUntil: number): Promise<void> {
    await Promise.all([
      this.#shortages(until),
      this.#crashes(until),
      this.#wanted.has('clock') && this.#steps(until),
      this.#wanted.has('restarts') && this.#restarts(restartsUntil),
    ])
  }

  async #shortages(until: number): Promise<void> {
    const { disk } = this.#stage
    const shortages: (() => Promise<void>)[] = []
    if (disk && this.#wanted.has('disk')) shortages.push(() => this.#fillDisk(disk))
    if (this.#wanted.has('descriptors')) shortages.push(() => this.#takeDescriptors())
    while (performance.now() < until) {
      await sleep(500 + this.#random.below(3000))
      if (shortages.length > 0) await this.#random.of(shortages)()
    }
  }

  /** Starts a server again that ended though nothing told it to, which is a failure. */
  async #crashes(until: number): Promise<void> {
    const { world, server } = this.#stage
    for (; performance.now() < until; await sleep(100)) {
      if (!server.crashed) continue
      world.events.fail('the server ended by itself', server.log().slice(-2000))
      await this.#restart('kill')
    }
  }

  async #steps(until: number): Promise<void> {
    const { world, clock } = this.#stage
    while (performance.now() < until) {
      await sleep(2000 + this.#random.below(6000))
      const end = world.faults.begin('clock step')
      await clock.set(this.#random.of(STEPS))
      world.events.note(`clock: ${clock.shift / SECOND} s from the real time`)
      // As long as what the step has made old may still be noticed.
      await sleep(2 * world.grace)
      end()
    }
  }

  async #restarts(until: number): Promise<void> {
    while (performance.now() < until) {
      await sleep(6000 + this.#random.below(12_000))
      if (performance.now() < until) await this.#restart(this.#random.oneIn(2) ? 'stop' : 'kill')
    }
  }

  /** Runs one after the other: the shortages restart a server that does not recover. */
  #restart(how: 'stop' | 'kill'): Promise<void> {
    this.#restarting = this.#restarting.then(() => this.#restartNow(how))
    return this.#restarting
  }

  async #restartNow(how: 'stop' | 'kill'): Promise<void> {
    const { world, server } = this.#stage
    const end = world.faults.begin(how)
    world.events.note(how === 'stop' ? 'SIGTERM' : 'SIGKILL')
    await server[how]()
    await sleep(this.#random.below(500))
    await this.#start(performance.now())
    world.events.note('started')
    end()
  }

  /** Tries again during a shortage: a server that cannot write, or open its files, need not start. */
  async #start(began: number): Promise<void> {
    const { world, server } = this.#stage
    try {
      const minFree = this.#random.oneIn(3) ? '4MiB' : '0'
      await server.start({ MEMFLOW_MIN_FREE_SPACE: minFree })
    } catch (error) {
      const faults = world.faults.during(began)
      const short = faults.has('full disk') || faults.has('few descriptors')
      if (!short || performance.now() - began >= START_MS) throw error
      world.tally.count('starts refused during a shortage')
      await sleep(500)
      await this.#start(began)
    }
  }

  async #fillDisk(disk: SmallDisk): Promise<void> {
    const { world } = this.#stage
    const end = world.faults.begin('full disk')
    world.events.note('disk: full')
    for (let turns = 2 + this.#random.below(15); turns > 0; turns--) {
      await disk.fill()
      await sleep(250)
    }
    await disk.free()
    world.events.note('disk: freed')
    await this.#recover('a full disk')
    end()
  }

  async #takeDescriptors(): Promise<void> {
    const { world, server } = this.#stage
    const end = world.faults.begin('few descriptors')
    const idle: (RawSocket | undefined)[] = []
    try {
      const used = await server.descriptors()
      await server.limitDescriptors(Math.max(used - 3 + this.#random.below(16), 1))
      world.events.note(`descriptors: few, ${used} in use`)
      for (let i = this.#random.below(30); i > 0; i--)
        idle.push(await RawSocket.open(server.url, `127.2.0.${1 + i}`))
      await sleep(500 + this.#random.below(4000))
    } catch (error) {
      world.events.note(`descriptors: ${error}`)
    }
    await Promise.all(idle.map(socket => socket?.cut('close')))
    // The process may be another one by now.
    await server.limitDescriptors().catch(() => {})
    world.events.note('descriptors: enough')
    await this.#recover('a shortage of descriptors')
    end()
  }

  async #recover(after: string): Promise<void> {
    if (await this.#stage.recovery.wait(after)) return
    this.#stage.world.tally.count('restarts because the server did not recover')
    await this.#restart('kill')
    await this.#stage.recovery.wait('that restart')
  }
}

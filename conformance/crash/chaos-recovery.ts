import { setTimeout as sleep } from 'node:timers/promises'
import type { ChaosRequests } from './chaos-requests.ts'
import type { World } from './chaos-world.ts'
import { contentOf, HungUp } from './registry-client.ts'

/** How long the server may take to take writes again. It is generous because the machine may be busy. */
const RECOVERY_MS = 45_000

/** Sees whether the server works again after a fault, by itself and without a restart. */
export class Recovery {
  readonly #world: World
  readonly #registry: ChaosRequests
  #probes = 0

  constructor(world: World) {
    this.#world = world
    this.#registry = world.connect()
  }

  /** Waits until a push works and the server is well; false, and a failure, if that takes too long. */
  async wait(after: string): Promise<boolean> {
    const { events, tally } = this.#world
    const began = performance.now()
    let last = ''
    while (performance.now() - began < RECOVERY_MS) {
      last = await this.#fault()
      if (last === '') {
        const ms = Math.round(performance.now() - began)
        events.note(`works again ${ms} ms after ${after}`)
        tally.count(`recoveries after ${after}: within ${ms < 1000 ? '1 s' : ms < 10_000 ? '10 s' : '45 s'}`)
        return true
      }
      await sleep(100)
    }
    events.fail(`no recovery after ${after}`, `${RECOVERY_MS / 1000} s later: ${last}`)
    return false
  }

  close(): void {
    this.#registry.close()
  }

  /** What does not work; nothing: ''. */
  async #fault(): Promise<string> {
    try {
      const content = contentOf(Buffer.from(`probe ${this.#probes++}`))
      const pushed = await this.#registry.push('probe', content)
      if (pushed !== 201) return `a push is answered ${pushed}`
      const { status } = await this.#registry.delete('probe', 'blobs', content.digest)
      if (status !== 202) return `a delete is answered ${status}`
      for (const path of ['/health', '/ready']) {
        const answer = await this.#registry.get(path)
        if (answer.status !== 200) return `${path} is ${answer.status} ${answer.bytes}`
      }
      return ''
    } catch (error) {
      if (!(error instanceof HungUp)) throw error
      return error.message
    }
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { ChaosRequests } from './chaos-requests.ts'
import type { Agent, World } from './chaos-world.ts'

/** A request that was cut has come into effect, or never will, after this time. */
const SETTLED_MS = 30_000

/** Takes back the effects that cut requests may have had. */
export class ChaosJanitor implements Agent {
  readonly name = 'janitor'
  readonly #world: World
  readonly #registry: ChaosRequests

  constructor(world: World) {
    this.#world = world
    this.#registry = world.connect()
  }

  async act(): Promise<void> {
    const { doubts } = this.#world.ledger
    const [oldest] = doubts
    if (oldest && performance.now() - oldest.since >= SETTLED_MS) await this.#takeBack()
    else await sleep(200)
  }

  close(): void {
    this.#registry.close()
  }

  /** All of them, once the server is quiet. */
  async clear(): Promise<void> {
    while (this.#world.ledger.doubts.length > 0) await this.#takeBack()
  }

  async #takeBack(): Promise<void> {
    const { ledger, judge, tally } = this.#world
    const doubt = ledger.doubts.shift()
    if (!doubt) return
    const { path } = doubt
    const change = await judge.change(`DELETE ${path}`, [200, 202, 404], () =>
      this.#registry.ask('DELETE', path),
    )
    if (change.outcome !== 'done') {
      ledger.doubts.push(doubt)
      return
    }
    tally.count(`cut requests: ${change.answer.status === 404 ? 'without effect' : 'with effect'}`)
    ledger.remove(path)
  }
}

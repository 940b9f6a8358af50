import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../support/random.ts'
import type { ChaosRequests } from './chaos-requests.ts'
import { head, RawSocket, WAYS_TO_CUT } from './chaos-socket.ts'
import type { Agent, World } from './chaos-world.ts'
import { HungUp } from './registry-client.ts'

/** How long a mirror may remember that its upstream could not be reached: the longest wait of its circuit, and some. */
const REMEMBERED_MS = 75_000

/** Pulls through a mirror what the registry has acknowledged, and leaves some pulls in the middle. */
export class ChaosMirrorClient implements Agent {
  readonly name: string
  readonly #world: World
  readonly #random: Random
  readonly #mirror: ChaosRequests
  readonly #prefix: string

  constructor(world: World, name: string, mirror: ChaosRequests, prefix: string) {
    this.name = name
    this.#world = world
    this.#random = world.random()
    this.#mirror = mirror
    this.#prefix = prefix
  }

  async act(): Promise<void> {
    const { ledger } = this.#world
    const holding = ledger.pick(this.#random)
    const artifact = holding?.name.includes('@') ? holding : undefined
    for (const { path, content } of artifact?.reads ?? []) {
      const mirrored = path.replace('/v2/', `/v2/${this.#prefix}/`)
      if (this.#random.oneIn(6)) await this.#abandon(mirrored)
      else if (
        !(await this.#pull(mirrored, content.bytes, () => artifact !== undefined && ledger.has(artifact)))
      )
        break
    }
    await sleep(this.#random.below(300))
  }

  close(): void {
    this.#mirror.close()
  }

  /** False if it is not there. `acknowledged` says whether it must be. */
  async #pull(path: string, bytes: Buffer, acknowledged: () => boolean): Promise<boolean> {
    const { judge, events, tally } = this.#world
    const since = performance.now()
    const upstreamFails = () => judge.mayRefuseRead(since - REMEMBERED_MS)
    try {
      const answer = await this.#mirror.get(path)
      if (answer.status === 200 && answer.bytes.equals(bytes)) tally.count('pulls through the mirror: right')
      else if (answer.status === 200) events.fail('mirror sent wrong bytes', path)
      else if ([502, 503, 504].includes(answer.status) && upstreamFails())
        tally.count('pulls through the mirror: upstream not reached')
      else if (acknowledged())
        events.fail(
          `mirror answered ${answer.status}`,
          `GET ${path} -> ${answer.status} ${answer.bytes.subarray(0, 300)}`,
        )
      return answer.status === 200
    } catch (error) {
      if (!(error instanceof HungUp)) throw error
      if (!upstreamFails()) events.fail('mirror cut a pull', error.message)
      return false
    }
  }

  async #abandon(path: string): Promise<void> {
    const { tally, events } = this.#world
    const how = this.#random.of(WAYS_TO_CUT)
    const socket = await RawSocket.open(this.#mirror.url, `127.3.0.${1 + this.#random.below(250)}`)
    socket?.write(head('GET', path))
    await socket?.receive(1 + this.#random.below(1000), 1000)
    await socket?.cut(how)
    events.note(`${this.name} leaves GET ${path}`)
    tally.count(`cuts: pull through the mirror, ${how}`)
  }
}

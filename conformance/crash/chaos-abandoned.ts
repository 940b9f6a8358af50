import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../support/random.ts'
import { ChaosClient } from './chaos-client.ts'
import type { ChaosRequests } from './chaos-requests.ts'
import { head, RawSocket, WAYS_TO_CUT } from './chaos-socket.ts'
import type { Agent, World } from './chaos-world.ts'
import { contentOf, HungUp } from './registry-client.ts'

const MIB = 2 ** 20
const SIZE = 12 * MIB
const REPOSITORY = 'abandoned'

/** Bytes a second on the line to the upstream, so that a pull lasts seconds after its client has left. */
export const SLOW = 4 * MIB

/** Leaves the pull of a large blob at its beginning, and sees whether the mirror brings all of it for nobody. */
export class AbandoningClient implements Agent {
  readonly name = 'abandoning'
  readonly #world: World
  readonly #random: Random
  readonly #owner: ChaosClient
  readonly #mirror: ChaosRequests
  readonly #prefix: string

  /** `prefix` is what the mirror calls an upstream that it reaches by a slow line. */
  constructor(world: World, mirror: ChaosRequests, prefix: string) {
    this.#world = world
    this.#random = world.random()
    this.#owner = new ChaosClient(world, this.name)
    this.#mirror = mirror
    this.#prefix = prefix
  }

  async act(): Promise<void> {
    const blob = contentOf(randomBytes(SIZE))
    if (await this.#owner.push(REPOSITORY, [blob])) await this.#abandon(blob.digest)
    await this.#owner.clear()
    await sleep(1000)
  }

  close(): void {
    this.#owner.close()
    this.#mirror.close()
  }

  clear(): Promise<void> {
    return this.#owner.clear()
  }

  async #abandon(digest: string): Promise<void> {
    const { events, tally } = this.#world
    const path = `/v2/${this.#prefix}/${REPOSITORY}/blobs/${digest}`
    const socket = await RawSocket.open(this.#mirror.url, '127.3.1.1')
    if (!socket) return
    socket.write(head('GET', path))
    await socket.receive(1000, 10_000)
    if (socket.received < 1000 || socket.closed) {
      await socket.cut('close')
      tally.count('abandoned pulls: not begun')
      return
    }
    await socket.cut(this.#random.of(WAYS_TO_CUT))
    // All of it would have come by then, and it is looked for until then only.
    for (
      const end = performance.now() + 2000 + (SIZE / SLOW) * 1000;
      performance.now() < end;
      await sleep(100)
    ) {
      if (!(await this.#isHere(path))) continue
      events.fail('an abandoned pull went on to its end', `${SIZE} bytes for nobody: ${path}`)
      return
    }
    tally.count('abandoned pulls: ended')
  }

  /** Whether the mirror has it, without asking its upstream. */
  async #isHere(path: string): Promise<boolean> {
    try {
      return (await this.#mirror.read('HEAD', path, { 'cache-control': 'only-if-cached' })).status === 200
    } catch (error) {
      if (error instanceof HungUp) return false
      throw error
    }
  }
}

import type { Random } from '../support/random.ts'
import type { ChaosRequests } from './chaos-requests.ts'
import type { Agent, World } from './chaos-world.ts'

/** An agent with a name, numbers and connections of its own. */
export abstract class ChaosAgent implements Agent {
  readonly name: string
  protected readonly world: World
  protected readonly random: Random
  protected readonly registry: ChaosRequests

  constructor(world: World, name: string) {
    this.name = name
    this.world = world
    this.random = world.random()
    this.registry = world.connect()
  }

  abstract act(): Promise<void>

  close(): void {
    this.registry.close()
  }
}

import type { Random } from '../support/random.ts'
import type { RegistryClient } from './registry-client.ts'
import type { Tally } from './tally.ts'

interface Pushed {
  readonly repository: string
  readonly digest: string
  /** When the request began that pushed it last, by `performance.now()`. */
  readonly since: number
}

/** The blobs that repositories hold, and what is found of them while everything is checked. */
export class HeldBlobs {
  readonly #tally: Tally
  readonly #random: Random
  /** For how long a blob is safe that no manifest needs, in milliseconds. */
  readonly #grace: number
  readonly #pushed = new Map<string, Pushed>()
  readonly #faults = new Map<string, Promise<string | undefined>>()

  constructor(tally: Tally, random: Random, grace: number) {
    this.#tally = tally
    this.#random = random
    this.#grace = grace
  }

  isLate(since: number): boolean {
    return performance.now() - since >= this.#grace
  }

  acknowledge(repository: string, digest: string, since: number): void {
    const path = pathOf(repository, digest)
    this.#pushed.set(path, { repository, digest, since })
    this.#faults.delete(path)
  }

  /** Lets one in so many be looked at again, of those that were. */
  forget(oneIn: number): void {
    for (const path of this.#faults.keys()) if (this.#random.oneIn(oneIn)) this.#faults.delete(path)
  }

  /** What was pushed, whether a manifest came or not. */
  async check(registry: RegistryClient): Promise<void> {
    for (const [path, { repository, digest, since }] of this.#pushed) {
      const fault = await this.fault(registry, repository, digest)
      if (this.isLate(since)) this.#pushed.delete(path)
      else this.#tell(fault, 'pushed')
    }
  }

  /** What a manifest that is there needs. */
  async checkNeeded(
    registry: RegistryClient,
    repository: string,
    digests: readonly string[],
    by: string,
  ): Promise<void> {
    for (const digest of digests)
      this.#tell(await this.fault(registry, repository, digest), `needed by ${by}`)
  }

  /** What is wrong with it, as far as that is not known. */
  fault(registry: RegistryClient, repository: string, digest: string): Promise<string | undefined> {
    const path = pathOf(repository, digest)
    const asked = this.#faults.get(path) ?? registry.fault(path, digest)
    this.#faults.set(path, asked)
    return asked
  }

  #tell(fault: string | undefined, why: string): void {
    const kind = fault?.endsWith('wrong bytes') ? 'corrupt' : 'lost'
    this.#tally.check(!fault, `${kind}: ${why}: ${fault}`)
    this.#tally.count('checks of blobs')
  }
}

function pathOf(repository: string, digest: string): string {
  return `/v2/${repository}/blobs/${digest}`
}

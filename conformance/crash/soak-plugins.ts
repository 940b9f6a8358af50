import { setTimeout as sleep } from 'node:timers/promises'
import { type Fixture, fixture } from '../support/fixtures.ts'
import type { World } from './soak-client.ts'

const FIXTURES = [
  'libmemflow_coredump-0.2.0.x86_64.so',
  'libmemflow_coredump-0.2.1.x86_64.so',
  'memflow_coredump-0.2.0.x86_64.dll',
  'libmemflow_coredump-0.2.0.arm64.so',
]

interface Descriptor {
  readonly digest: string
}

/** One client that publishes and deletes plugins, and pulls them by the tags that the registry composes. */
export class PluginClient {
  readonly #world: World
  readonly #published = new Set<Fixture>()

  constructor(world: World) {
    this.#world = world
  }

  async live(until: number): Promise<void> {
    const { random } = this.#world
    const fixtures = FIXTURES.map(name => fixture(name))
    while (Date.now() < until) {
      const plugin = random.of(fixtures)
      if (this.#published.has(plugin)) await this.#delete(plugin)
      else await this.#publish(plugin)
      await this.check()
      await sleep(random.below(100))
    }
  }

  /** Every published plugin by its digest, and all that `latest` leads to. */
  async check(): Promise<void> {
    const { registry, tally } = this.#world
    for (const { digest } of this.#published) {
      const fault = await registry.fault(`/files/${digest}`, `sha256:${digest}`)
      tally.check(!fault, `dangling: ${fault}`)
    }
    if (this.#published.size > 0) await this.blobs()
    tally.count('plugins pulled', this.#published.size)
  }

  /** Digests of the blobs that are needed for what is published. */
  async blobs(): Promise<string[]> {
    const digests: string[] = []
    for (const { digest } of this.#published) {
      const short = digest.slice(0, 7)
      const { config, layers } = (await this.#manifest(short)) as { config: Descriptor; layers: Descriptor[] }
      digests.push(...[config, ...layers].map(blob => blob.digest))
    }
    if (this.#published.size === 0) return digests
    const { manifests } = (await this.#manifest('latest')) as { manifests: Descriptor[] }
    for (const child of manifests) await this.#manifest(child.digest)
    const { registry, tally } = this.#world
    for (const digest of new Set(digests)) {
      const fault = await registry.fault(`/v2/coredump/blobs/${digest}`, digest)
      tally.check(!fault, `dangling: ${fault}`)
    }
    return digests
  }

  async deleteAll(): Promise<void> {
    for (const plugin of [...this.#published]) await this.#delete(plugin)
  }

  async #publish(plugin: Fixture): Promise<void> {
    const { registry, tally } = this.#world
    const { status, bytes } = await registry.publish(plugin.bytes)
    tally.check(status === 200, `POST /files -> ${status} ${bytes}`)
    tally.count('plugins published')
    this.#published.add(plugin)
  }

  async #delete(plugin: Fixture): Promise<void> {
    const { registry, tally } = this.#world
    const { status } = await registry.ask('DELETE', `/files/${plugin.digest}`)
    tally.check(status === 200, `DELETE /files/${plugin.digest} -> ${status}`)
    tally.count('plugins deleted')
    this.#published.delete(plugin)
  }

  async #manifest(reference: string): Promise<object> {
    const { status, bytes } = await this.#world.registry.get(`/v2/coredump/manifests/${reference}`)
    this.#world.tally.check(status === 200, `dangling: GET coredump ${reference} -> ${status}`)
    return { config: {}, layers: [], manifests: [], ...JSON.parse(bytes.toString()) }
  }
}

import { type Fixture, fixture } from '../support/fixtures.ts'
import type { Client, State, World } from './kill-world.ts'
import { type Content, contentOf } from './registry-client.ts'

/** Of all file types; those of a pair are in two repositories at once. */
const FIXTURES = [
  'libmemflow_coredump-0.2.0.x86_64.so',
  'libmemflow_coredump-0.2.1.arm64.so',
  'memflow_coredump-0.2.0.x86_64.dll',
  'libmemflow_coredump-0.2.0.x86_64.dylib',
  'libmemflow_pair-0.2.0.x86_64.so',
  'memflow_pair-0.2.0.x86_64.dll',
].map(name => fixture(name))

interface Plugin {
  readonly content: Content
  readonly names: readonly string[]
  state: State
  /** Digests of blobs. */
  needed: readonly string[]
}

/** What GET /plugins/{name} lists: digests in hex. */
type Listing = (name: string) => Promise<ReadonlySet<string>>

/** Publishes and deletes plugins by the REST API. */
export class PluginClient implements Client {
  readonly #world: World
  readonly #name: string
  readonly #plugins: Plugin[] = []

  constructor(world: World, name: string) {
    this.#world = world
    this.#name = name
  }

  get #there(): Plugin[] {
    return this.#plugins.filter(({ state }) => state === 'there')
  }

  act(): Promise<void> {
    const { random } = this.#world
    return this.#there.length > 4 && random.oneIn(2)
      ? this.#delete(random.of(this.#there))
      : this.#publish(random.of(FIXTURES))
  }

  /** Digests of the blobs that are needed for what it has published. */
  needed(): string[] {
    return this.#there.flatMap(({ needed }) => needed)
  }

  async check(): Promise<void> {
    const lists = new Map<string, Promise<ReadonlySet<string>>>()
    const listing = (name: string) => {
      const list = lists.get(name) ?? this.#list(name)
      lists.set(name, list)
      return list
    }
    for (const plugin of this.#plugins) await this.#checkOne(plugin, listing)
    const names = new Set(this.#there.flatMap(plugin => plugin.names))
    for (const name of names) await this.#checkLatest(name)
  }

  /** A binary that nobody has published before: what is behind the last section is not looked at. */
  async #publish({ bytes, descriptors }: Fixture): Promise<void> {
    const { registry, tally } = this.#world
    const content = contentOf(Buffer.concat([bytes, Buffer.from(`${this.#name} ${this.#plugins.length}`)]))
    const names = [...new Set(descriptors.map(({ name }) => name))]
    const plugin: Plugin = { content, names, state: 'open', needed: [] }
    this.#plugins.push(plugin)
    const { status, bytes: said } = await registry.publish(content.bytes)
    tally.check(status === 200, `failed: POST /files -> ${status} ${said}`)
    plugin.state = status === 200 ? 'there' : 'gone'
    tally.count('plugins published')
  }

  async #delete(plugin: Plugin): Promise<void> {
    const { registry, tally } = this.#world
    plugin.state = 'open'
    const { status } = await registry.ask('DELETE', `/files/${plugin.content.digest}`)
    tally.check(status === 200, `lost: DELETE /files/${plugin.content.digest} -> ${status}`)
    plugin.state = 'gone'
    tally.count('plugins deleted')
  }

  /** File, metadata, listing and artifact: all of it, or nothing. */
  async #checkOne(plugin: Plugin, listing: Listing): Promise<void> {
    const { registry, tally } = this.#world
    const { digest, bytes } = plugin.content
    const hex = digest.slice('sha256:'.length)
    const file = await registry.get(`/files/${hex}`)
    const there = file.status === 200
    tally.check(!there || file.bytes.equals(bytes), `corrupt: /files/${hex}`)
    const parts = [{ part: 'metadata', is: (await registry.get(`/files/${hex}/metadata`)).status === 200 }]
    plugin.needed = []
    for (const name of plugin.names) {
      const needed = await this.#artifact(name, digest)
      plugin.needed = [...plugin.needed, ...(needed ?? [])]
      parts.push({ part: `artifact of ${name}`, is: needed !== undefined })
      parts.push({ part: `row of ${name}`, is: (await listing(name)).has(hex) })
    }
    const apart = parts.flatMap(({ part, is }) => (is === there ? [] : [part]))
    tally.check(apart.length === 0, `torn: /files/${hex} is ${file.status}, from its ${apart.join(' and ')}`)
    if (plugin.state === 'open') tally.count(`cut requests for a plugin: ${there ? 'there' : 'not there'}`)
    else tally.check(there === (plugin.state === 'there'), `lost: /files/${hex} is not ${plugin.state}`)
    plugin.state = there ? 'there' : 'gone'
    tally.count('checks of plugins')
  }

  /** The blobs of a plugin's artifact, which is found by the plugin's short digest. */
  async #artifact(repository: string, digest: string): Promise<string[] | undefined> {
    const { registry, blobs, tally } = this.#world
    const short = digest.slice('sha256:'.length, 'sha256:'.length + 12)
    const { status, bytes } = await registry.get(`/v2/${repository}/manifests/${short}`)
    if (status !== 200) return undefined
    const { config, layers } = JSON.parse(bytes.toString()) as { config: Content; layers: Content[] }
    const needed = [config, ...layers].map(blob => blob.digest)
    tally.check(needed.includes(digest), `corrupt: the artifact of ${digest}`)
    await blobs.checkNeeded(registry, repository, needed, `the artifact of ${digest}`)
    return needed
  }

  /** The tag that the registry composes leads to builds that are there. */
  async #checkLatest(repository: string): Promise<void> {
    const { registry, tally } = this.#world
    const { status, bytes } = await registry.get(`/v2/${repository}/manifests/latest`)
    tally.check(status === 200, `torn: ${repository}:latest is ${status}, with plugins there`)
    if (status !== 200) return
    const { manifests } = JSON.parse(bytes.toString()) as { manifests: Content[] }
    for (const { digest } of manifests) {
      const fault = await registry.fault(`/v2/${repository}/manifests/${digest}`, digest)
      tally.check(!fault, `torn: ${repository}:latest names ${fault}`)
    }
  }

  async #list(name: string): Promise<ReadonlySet<string>> {
    const digests: string[] = []
    let page: { digest: string }[]
    do {
      const { bytes } = await this.#world.registry.get(`/plugins/${name}?limit=50&skip=${digests.length}`)
      page = (JSON.parse(bytes.toString()) as { plugins: { digest: string }[] }).plugins
      digests.push(...page.map(({ digest }) => digest))
    } while (page.length > 0)
    return new Set(digests)
  }
}

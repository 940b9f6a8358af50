import { RegistryError } from '../oci/errors.ts'
import type { Repository } from '../oci/name.ts'
import { BackgroundSearch } from './background-search.ts'
import { type BackupRow, backupRows } from './backup/backup-rows.ts'
import { Blobs } from './blobs.ts'
import { Discovery } from './discovery.ts'
import { Freshness } from './freshness.ts'
import { Collector } from './garbage/collector.ts'
import { Manifests } from './manifests.ts'
import { Eviction } from './mirror/eviction.ts'
import { MirrorSize } from './mirror/mirror-size.ts'
import type { Mirrors } from './mirror/mirrors.ts'
import { Pull } from './mirror/pull.ts'
import { PulledPlugins } from './mirror/pulled-plugins.ts'
import { Usage } from './mirror/usage.ts'
import type { Parts } from './parts.ts'
import { LocalPluginReads, type PluginReads } from './plugin-reads.ts'
import { Plugins } from './plugins.ts'
import { LocalReads, type Reads } from './reads.ts'
import { RefreshTokens } from './refresh-tokens.ts'
import { Uploads } from './uploads.ts'

/** The one service under all routes. */
export class Registry {
  readonly blobs: Blobs
  readonly uploads: Uploads
  readonly manifests: Manifests
  readonly discovery: Discovery
  readonly plugins: Plugins
  readonly collector: Collector
  readonly eviction: Eviction
  readonly freshness: Freshness
  readonly search: BackgroundSearch
  readonly mirrors: Mirrors
  readonly refreshTokens: RefreshTokens
  /** What clients of the OCI API read. */
  readonly reads: Reads
  /** What memflow's clients read. */
  readonly pluginReads: PluginReads
  /** Of both, what is here alone. */
  readonly here: { readonly reads: Reads; readonly pluginReads: PluginReads }
  readonly #parts: Parts
  readonly #usage: Usage
  readonly #pull: Pull | undefined
  readonly #pulledPlugins: PulledPlugins | undefined

  /** `report` hears of what fails in the background. */
  constructor(parts: Parts, report: (error: unknown) => void = () => {}) {
    this.#parts = parts
    this.blobs = new Blobs(parts)
    this.uploads = new Uploads(parts, this.blobs)
    this.manifests = new Manifests(parts, () => this.search.wake())
    this.discovery = new Discovery(parts)
    this.plugins = new Plugins(parts, this.manifests)
    this.collector = new Collector(parts)
    this.search = new BackgroundSearch(parts, this.manifests, report)
    this.#usage = new Usage(parts)
    const size = new MirrorSize(parts.policy.mirrorMaxSize)
    this.eviction = new Eviction(parts, this.manifests, this.collector, this.#usage, size)
    this.freshness = new Freshness(parts, this.#usage)
    this.mirrors = parts.mirrors
    this.refreshTokens = new RefreshTokens(parts.index)
    const local = [this.blobs, this.manifests, this.discovery] as const
    this.#pull = this.mirrors.configured
      ? new Pull(parts, ...local, this.#usage, size, this.search, report)
      : undefined
    this.here = { reads: new LocalReads(...local), pluginReads: new LocalPluginReads(this.plugins) }
    this.reads = this.#pull ?? this.here.reads
    const upstreams = this.mirrors.memflow.length > 0
    this.#pulledPlugins = upstreams ? new PulledPlugins(parts, this.plugins, report) : undefined
    this.pluginReads = this.#pulledPlugins ?? this.here.pluginReads
  }

  /** All manifests as they are at one moment, see `backupRows`. */
  backupRows(repositories: readonly Repository[]): AsyncIterable<BackupRow> {
    return backupRows(this.#parts.index, this.#parts.documents, repositories)
  }

  /** Rejects, saying why, if blobs or index cannot be read. */
  async checkReads(): Promise<void> {
    await Promise.all([this.#parts.store.checkReads(), this.#parts.index.checkReads()])
  }

  /** Rejects, saying why, if blobs or index cannot be read or written. */
  async check(): Promise<void> {
    await Promise.all([this.#parts.store.check(), this.#parts.index.check()])
  }

  /** Which parts cannot be read or written, and why; one line each. */
  async troubles(): Promise<string[]> {
    const { store, index } = this.#parts
    const lines = await Promise.all(
      Object.entries({ blobs: store, index }).map(([name, part]) =>
        Promise.all([part.checkReads(), part.check()]).then(
          () => [],
          error => [
            `${name}: ${error instanceof RegistryError ? error.message : 'does not work; see the log'}`,
          ],
        ),
      ),
    )
    return lines.flat()
  }

  /** Ends the connections to upstreams; transfers under way are given up. */
  async close(): Promise<void> {
    this.#pull?.giveUp()
    this.#pulledPlugins?.giveUp()
    await this.mirrors.close()
    await this.search.close()
    await Promise.all([this.#pull?.settled(), this.#pulledPlugins?.settled()])
    await this.#usage.write()
  }
}

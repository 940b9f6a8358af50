import { Blobs } from './blobs.ts'
import { Collector } from './collector.ts'
import { Discovery } from './discovery.ts'
import { Manifests } from './manifests.ts'
import type { Parts } from './parts.ts'
import { Plugins } from './plugins.ts'
import { Uploads } from './uploads.ts'

/** The one service under all routes. */
export class Registry {
  readonly blobs: Blobs
  readonly uploads: Uploads
  readonly manifests: Manifests
  readonly discovery: Discovery
  readonly plugins: Plugins
  readonly collector: Collector
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
    this.blobs = new Blobs(parts)
    this.uploads = new Uploads(parts, this.blobs)
    this.manifests = new Manifests(parts)
    this.discovery = new Discovery(parts)
    this.plugins = new Plugins(parts, this.manifests)
    this.collector = new Collector(parts)
  }

  /** Rejects, saying why, where storage or index do not work. */
  async check(): Promise<void> {
    await Promise.all([this.#parts.store.check(), this.#parts.index.check()])
  }
}

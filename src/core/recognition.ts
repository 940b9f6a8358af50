import type { LayerPlugin, VerdictRow } from '../index/search-tables.ts'
import { type Digest, isDigest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Descriptor, ImageManifest, Manifest } from '../oci/manifest.ts'
import { DOCKER_CONFIG, OCI_CONFIG } from '../oci/media-types.ts'
import { PLUGIN_BINARY, signatureOf } from '../oci/plugin-artifact.ts'
import { PluginError } from '../plugin/error.ts'
import type { LayerKind, LayerSearch, LookedAt } from './layer-search.ts'
import type { Parts } from './parts.ts'
import { MANIFEST_LIMITS, ManifestBudget } from './search-budgets.ts'

/** A memflow binary in a manifest. */
export interface FoundPlugin extends LayerPlugin {
  readonly signature: string | undefined
  /** The layer that its bytes are in when that is not the binary itself: an archive, or a blob of another algorithm. */
  readonly archive: Digest | undefined
}

/** What is known about the plugins in a manifest. */
export interface Recognized {
  readonly found: readonly FoundPlugin[]
  /** Layers that were searched now; see `LayerSearch.put`. */
  readonly searched: readonly Digest[]
  /** Layers that are still to be searched. */
  readonly owed: readonly Digest[]
  /** Why plugins may be in it that were not found. */
  readonly unsearched?: string
}

/** Decides on layers that are not known yet. */
export interface Control {
  /** Refuses what says by its media type that it is a plugin, and is not. */
  readonly strict: boolean
  /** Refuses a manifest whose layers cannot be searched whole. */
  readonly whole: boolean
  /** Why the layer is owed and not searched now. */
  mayNot(kind: LayerKind): string | undefined
  /** A layer was searched that has unpacked to so many bytes beyond its size. */
  charge(bytes: number): void
}

export const NOTHING: Recognized = { found: [], searched: [], owed: [] }

/** Container images are not searched: their thousands of files are a system, not a plugin that somebody publishes. */
export function isSearched(manifest: Manifest): manifest is ImageManifest {
  return manifest.kind === 'image' && !isContainerConfig(manifest.config?.mediaType)
}

export function isContainerConfig(type: string | undefined): boolean {
  return type === OCI_CONFIG || type === DOCKER_CONFIG
}

/**
 * The plugins in the layers of one manifest: layers that are memflow binaries by their first bytes, and those in tar
 * and tar+gzip layers, in the order of the layers and as far as the manifest's budget reaches.
 */
export class Recognition {
  readonly #parts: Parts
  readonly #layers: LayerSearch
  readonly #manifest: ImageManifest
  readonly #owner: string
  readonly #control: Control
  readonly #budget = new ManifestBudget()
  readonly #found = new Map<Digest, FoundPlugin>()
  readonly #searched: Digest[] = []
  readonly #owed: Digest[] = []
  #unsearched: string | undefined

  constructor(parts: Parts, layers: LayerSearch, manifest: ImageManifest, owner: string, control: Control) {
    this.#parts = parts
    this.#layers = layers
    this.#manifest = manifest
    this.#owner = owner
    this.#control = control
  }

  /**
   * Throws `TOOMANYREQUESTS`, and as `mayNot` does. Strict, it throws `PLUGIN_INVALID` and `PLUGIN_TOO_LARGE` when a
   * layer says by its media type that it is a plugin, and is not. What was searched is remembered all the same.
   */
  async run(): Promise<Recognized> {
    const looked = new Set<string>()
    try {
      for (const layer of this.#manifest.layers) {
        // The same content is looked at once, however often it is named; and again when it says that it is a plugin.
        const content = `${layer.digest} ${layer.mediaType === PLUGIN_BINARY}`
        if (looked.has(content)) continue
        looked.add(content)
        if (!isDigest(layer.digest)) {
          this.#refuseUnread(layer.digest, 'it is not here')
          continue
        }
        if (this.#budget.isSpent) this.#miss(layer.digest, BUDGET_SPENT)
        if (this.#budget.isSpent) break
        await this.#look(layer, layer.digest)
      }
    } catch (error) {
      await this.#layers.remember(this.#searched)
      throw error
    }
    return {
      found: [...this.#found.values()],
      searched: this.#searched,
      owed: this.#owed,
      ...(this.#unsearched && { unsearched: this.#unsearched }),
    }
  }

  async #look(layer: Descriptor, digest: Digest): Promise<void> {
    const claimed = this.#control.strict && layer.mediaType === PLUGIN_BINARY
    if (claimed) await this.#checkSize(digest)
    let verdict = await this.#layers.known(digest)
    if (!verdict) {
      const looked = await this.#layers.look(digest)
      if (claimed && looked?.kind !== 'binary') return this.#refuse(digest, await this.#refusalOf(digest))
      if (!looked) {
        if (this.#control.whole) this.#refuseUnread(digest, await this.#layers.unsearchable(digest))
        return void this.#budget.take({ bytes: 0, entries: 1 })
      }
      const reason = this.#control.mayNot(looked.kind)
      if (reason) {
        this.#unsearched ??= reason
        this.#owed.push(digest)
        return
      }
      verdict = await this.#search(digest, looked, claimed)
      if (!verdict) return
    }
    if (claimed) this.#refuse(digest, verdict.refusal)
    if (!this.#budget.take(verdict)) {
      return this.#miss(digest, BUDGET_SPENT)
    }
    if (verdict.past) this.#miss(digest, `${digest}: ${verdict.past}`)
    this.#refuseUnread(digest, verdict.unread)
    for (const plugin of verdict.plugins)
      if (!this.#found.has(plugin.binary))
        this.#found.set(plugin.binary, foundPlugin(plugin, this.#manifest, layer, digest))
  }

  async #search(digest: Digest, looked: LookedAt, claimed: boolean): Promise<VerdictRow | undefined> {
    try {
      const verdict = await this.#layers.search(digest, looked, this.#owner)
      this.#searched.push(digest)
      this.#control.charge(this.#layers.amplificationOf(looked, verdict))
      return verdict
    } catch (error) {
      if (!(error instanceof PluginError)) throw error
      if (claimed) this.#refuse(digest, error.reason)
      this.#miss(digest, `${digest}: ${error.reason}`)
      return undefined
    }
  }

  async #refusalOf(digest: Digest): Promise<string | undefined> {
    const here = await this.#parts.store.stat(digest)
    return here && this.#layers.refusalOf(digest, this.#owner)
  }

  /** Plugins may be in the layer that were not found. */
  #miss(layer: string, reason: string): void {
    this.#refuseUnread(layer, reason)
    this.#unsearched ??= reason
  }

  #refuseUnread(layer: string, reason: string | undefined): void {
    if (!this.#control.whole || reason === undefined) return
    throw new RegistryError('SIGNATURE_INVALID', {
      message:
        'Signature error: signatures are required here, and this layer cannot be searched for plugins that have none: ' +
        `${reason}. Push plugins as they are, or in a smaller tar or tar+gzip`,
      detail: { digest: layer },
    })
  }

  /** Only what calls itself a plugin has to be one. */
  #refuse(digest: Digest, reason: string | undefined): void {
    if (reason === undefined) return
    throw new RegistryError('PLUGIN_INVALID', {
      message: `the layer is not a memflow plugin: ${reason}`,
      detail: { digest },
    })
  }

  async #checkSize(digest: Digest): Promise<void> {
    const { policy, store } = this.#parts
    const limit = policy.maxPluginSize
    if (((await store.stat(digest))?.size ?? 0) > limit)
      throw new RegistryError('PLUGIN_TOO_LARGE', { detail: { limit } })
  }
}

const BUDGET_SPENT =
  'the layers of a manifest are searched for plugins up to ' +
  `${MANIFEST_LIMITS.bytes} bytes, unpacked, and ${MANIFEST_LIMITS.entries} entries`

/** The plugins in one layer of a manifest; none when the layers before it have spent the manifest's budget. */
export async function pluginsInLayer(
  layers: LayerSearch,
  manifest: ImageManifest,
  digest: Digest,
  verdict: VerdictRow,
): Promise<FoundPlugin[]> {
  const budget = new ManifestBudget()
  const counted = new Set<string>()
  for (const layer of manifest.layers) {
    if (counted.has(layer.digest) || !isDigest(layer.digest)) continue
    counted.add(layer.digest)
    if (layer.digest === digest) {
      if (!budget.take(verdict)) return []
      return verdict.plugins.map(plugin => foundPlugin(plugin, manifest, layer, digest))
    }
    // What is not here, or holds no plugins, is one entry.
    budget.take((await layers.known(layer.digest)) ?? { bytes: 0, entries: 1 })
    if (budget.isSpent) return []
  }
  return []
}

function foundPlugin(
  plugin: LayerPlugin,
  manifest: ImageManifest,
  layer: Descriptor,
  digest: Digest,
): FoundPlugin {
  const archive = plugin.binary === digest ? undefined : digest
  return { ...plugin, signature: signatureOf(manifest, layer), archive }
}

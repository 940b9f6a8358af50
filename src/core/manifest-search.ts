import type { Batch } from '../index/batch.ts'
import { OWED, VERDICTS } from '../index/search-tables.ts'
import { LINKS } from '../index/tables.ts'
import { RegistryError } from '../oci/errors.ts'
import type { ImageManifest, Manifest } from '../oci/manifest.ts'
import type { Repository } from '../oci/name.ts'
import { signatureOf } from '../oci/plugin-artifact.ts'
import { type LayerKind, LayerSearch } from './layer-search.ts'
import type { Parts } from './parts.ts'
import { isSearched, NOTHING, Recognition, type Recognized } from './recognition.ts'
import { RepositoryBudgets } from './search-budgets.ts'

/**
 * When layers of a manifest are searched that are not known yet. Of one that is being pushed: within the repository's
 * budget, else in the background. Of the subject of a push: within the budget, else the push is refused for now. Of one
 * that is stored whatever is in it: now, or in the background.
 */
export type SearchTime = 'push' | 'subject' | 'now' | 'later'

/** Finds the plugins in manifests, within the budgets of their repositories. */
export class ManifestSearch {
  readonly layers: LayerSearch
  readonly budgets: RepositoryBudgets
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
    this.layers = new LayerSearch(parts)
    this.budgets = new RepositoryBudgets(parts.clock)
  }

  /** Throws `PLUGIN_INVALID`, `PLUGIN_TOO_LARGE` and `TOOMANYREQUESTS` for a push, see `Recognition`. */
  async find(repository: Repository, manifest: Manifest, when: SearchTime): Promise<Recognized> {
    if (!isSearched(manifest)) return NOTHING
    return new Recognition(this.#parts, this.layers, manifest, repository, {
      strict: when === 'push',
      whole: when === 'push' && this.#requiresSignatures,
      mayNot: kind => this.#mayNotSearch(repository, manifest, kind, when),
      charge: bytes => this.budgets.charge(repository, bytes),
    }).run()
  }

  /** Part of the change that stores the manifest: what was found out, and what is still to be done. */
  put(batch: Batch, repository: Repository, { searched, owed }: Recognized): void {
    this.layers.put(batch, searched)
    for (const layer of owed) batch.put(OWED, [repository, layer], {})
  }

  /** Part of the same change: layers that have come while the manifest was on its way. Later ones: `BackgroundSearch.hold`. */
  async owe(batch: Batch, repository: Repository, manifest: Manifest): Promise<void> {
    if (!isSearched(manifest)) return
    for (const { digest } of manifest.layers)
      if ((await batch.get(LINKS, repository, digest)) && !(await batch.get(VERDICTS, digest)))
        batch.put(OWED, [repository, digest], {})
  }

  /**
   * Why a layer is not searched now, but in the background. A binary is no larger than what was sent, and takes no
   * budget. Throws `TOOMANYREQUESTS` when the push may have to be refused for what is in the layer.
   */
  #mayNotSearch(
    repository: Repository,
    manifest: ImageManifest,
    kind: LayerKind,
    when: SearchTime,
  ): string | undefined {
    if (when === 'later') return LATER
    if (when === 'now' || kind === 'binary') return undefined
    const wait = this.budgets.wait(repository)
    if (wait === 0) return undefined
    if (when === 'push' && !this.#decides(manifest)) return LATER
    throw new RegistryError('TOOMANYREQUESTS', {
      message:
        'the archives of this repository unpack to too many bytes in a minute; push the manifest again later',
      headers: { 'Retry-After': String(Math.ceil(wait / 1000)) },
    })
  }

  get #requiresSignatures(): boolean {
    const { policy, verifier } = this.#parts
    return policy.requireSignature && verifier.configured
  }

  /** Whether the plugins in the manifest decide about whether it is stored. */
  #decides(manifest: ImageManifest): boolean {
    if (this.#requiresSignatures) return true
    return manifest.layers.some(layer => signatureOf(manifest, layer) !== undefined)
  }
}

const LATER = 'its layers are searched for plugins in the background'

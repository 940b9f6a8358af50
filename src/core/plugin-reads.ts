import type { FileRow, VariantRow } from '../index/tables.ts'
import type { Digest } from '../oci/digest.ts'
import type { PluginDescriptor } from '../plugin/descriptor.ts'
import type { Plugins } from './plugins.ts'
import type { Caller, MayBeStale, ServedBlob } from './reads.ts'
import type { Named, VariantFilter } from './variants.ts'

/** Where an answer comes from. */
export interface Origin {
  /** Whether it stands on what is here alone, so that it is the same until that changes. */
  readonly here: boolean
}

export interface ReadList<T> extends MayBeStale, Origin {
  readonly items: readonly T[]
}

export interface ReadMetadata extends Origin {
  readonly file: FileRow
}

export interface ServedPlugin extends ServedBlob, Origin {
  /** Of what is here. */
  readonly descriptors?: readonly PluginDescriptor[]
}

/** What memflow's clients read, wherever it comes from: here alone, or upstreams as well (core/mirror/pulled-plugins.ts). */
export interface PluginReads {
  names(caller?: Caller): Promise<ReadList<Named>>
  variants(
    name: string,
    filter: VariantFilter,
    skip: number,
    limit: number,
    caller?: Caller,
  ): Promise<ReadList<VariantRow>>
  /** Throws `PLUGIN_UNKNOWN`. */
  metadata(digest: Digest, caller?: Caller): Promise<ReadMetadata>
  /** `wanted`: whether the bytes will be asked for, or only their size. Throws `PLUGIN_UNKNOWN`. */
  file(digest: Digest, wanted: 'bytes' | 'size', caller?: Caller): Promise<ServedPlugin>
}

/** Of what is here alone. */
export class LocalPluginReads implements PluginReads {
  readonly #plugins: Plugins

  constructor(plugins: Plugins) {
    this.#plugins = plugins
  }

  async names(): Promise<ReadList<Named>> {
    return { items: await this.#plugins.names(), here: true }
  }

  async variants(
    name: string,
    filter: VariantFilter,
    skip: number,
    limit: number,
  ): Promise<ReadList<VariantRow>> {
    return { items: await this.#plugins.variants(name, filter, skip, limit), here: true }
  }

  async metadata(digest: Digest): Promise<ReadMetadata> {
    const { size: _, ...file } = await this.#plugins.metadata(digest)
    return { file, here: true }
  }

  async file(digest: Digest): Promise<ServedPlugin> {
    const { size, descriptors } = await this.#plugins.metadata(digest)
    return {
      size,
      descriptors,
      open: () => this.#plugins.open(digest),
      check: () => this.#plugins.check(digest, size),
      here: true,
    }
  }
}

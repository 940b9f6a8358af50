import type { VariantRow } from '../../index/tables.ts'
import type { Digest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import { isSound } from '../../plugin/descriptor.ts'
import type { BlobHandle } from '../../store/contract.ts'
import type { Parts } from '../parts.ts'
import {
  LocalPluginReads,
  type PluginReads,
  type ReadList,
  type ReadMetadata,
  type ServedPlugin,
} from '../plugin-reads.ts'
import type { Plugins } from '../plugins.ts'
import type { Caller } from '../reads.ts'
import { findVariants, listNames, type Named, type VariantFilter } from '../variants.ts'
import { Fill, GivenUp } from './fill.ts'
import { Fills } from './fills.ts'
import type { MemflowMirror } from './mirrors.ts'
import { PluginSource } from './plugin-source.ts'
import { honest, orUnknown } from './upstream-fault.ts'
import { type ListState, UpstreamLists } from './upstream-lists.ts'

/**
 * Plugins that are here, and those of the memflow upstreams, which are published here when their bytes are asked for.
 * All methods throw `UPSTREAM_…` errors where an upstream failed and nothing here is an answer.
 */
export class PulledPlugins implements PluginReads {
  readonly #parts: Parts
  readonly #plugins: Plugins
  readonly #here: LocalPluginReads
  readonly #lists: UpstreamLists
  readonly #report: (error: unknown) => void
  readonly #fills = new Fills<Fill>()

  /** `report` hears of what fails when nobody waits for it. */
  constructor(parts: Parts, plugins: Plugins, report: (error: unknown) => void) {
    this.#parts = parts
    this.#plugins = plugins
    this.#here = new LocalPluginReads(plugins)
    this.#lists = new UpstreamLists(parts, report)
    this.#report = report
  }

  names(caller?: Caller): Promise<ReadList<Named>> {
    const { index, mirrors } = this.#parts
    const lists = mirrors.memflow.map(({ rules, mirrored }) => ({ name: rules.name, mirrored }))
    return this.#list(
      mirrors.memflow,
      '',
      () => this.#here.names(),
      () => listNames(index, lists),
      caller,
    )
  }

  variants(
    name: string,
    filter: VariantFilter,
    skip: number,
    limit: number,
    caller?: Caller,
  ): Promise<ReadList<VariantRow>> {
    const asked = limit > 0 && isSound({ name })
    const mirrors = asked ? this.#parts.mirrors.memflow.filter(({ mirrored }) => mirrored(name)) : []
    const lists = mirrors.map(({ rules }) => rules.name)
    return this.#list(
      mirrors,
      name,
      () => this.#here.variants(name, filter, skip, limit),
      () => findVariants(this.#parts.index, name, filter, skip, limit, lists),
      caller,
    )
  }

  async metadata(digest: Digest, caller?: Caller): Promise<ReadMetadata> {
    const here = await orUnknown(this.#here.metadata(digest))
    if (here) return here
    this.#parts.mirrors.admit(caller)
    const { file } = await honest(new PluginSource(this.#parts, digest, caller).metadata())
    return { file, here: false }
  }

  async file(digest: Digest, wanted: 'bytes' | 'size', caller?: Caller): Promise<ServedPlugin> {
    const here = await orUnknown(this.#here.file(digest))
    // What is here may have been damaged: then it is fetched again.
    if (here) {
      const open = async () => (await orUnknown(here.open())) ?? this.#open(digest, caller)
      const check = async () => {
        await (this.#fills.get(digest) || here.check().catch(() => this.#size(digest, caller)))
      }
      return { ...here, open, check }
    }
    this.#parts.mirrors.admit(caller)
    const size = wanted === 'size' ? await this.#size(digest, caller) : undefined
    return {
      size: size ?? (await honest(this.#fill(digest, caller).size)),
      open: () => this.#open(digest, caller),
      // It was looked at a moment ago.
      check: async () => {},
      here: false,
    }
  }

  /** When the transfers and renewals under way have ended. */
  async settled(): Promise<void> {
    await this.#fills.settled()
    await this.#lists.settled()
  }

  /** Gives up the transfers that have no readers. */
  giveUp(): void {
    this.#fills.giveUp()
  }

  /** What is here and on the upstreams' lists, as far as they can be renewed. */
  async #list<T>(
    mirrors: readonly MemflowMirror[],
    name: string,
    here: () => Promise<ReadList<T>>,
    all: () => Promise<readonly T[]>,
    caller: Caller | undefined,
  ): Promise<ReadList<T>> {
    const answerable = async () => (await here()).items.length > 0
    const states = await Promise.all(
      mirrors.map(mirror => this.#lists.renew(mirror, name, answerable, caller)),
    )
    const items = await all()
    if (items.length === 0) await honest(refuse(states))
    const failed = states.find(({ fault }) => fault)
    const stale = failed?.fault && {
      reason: failed.fault.message,
      ...(failed.age !== undefined && { age: failed.age }),
    }
    return { items, here: false, stale }
  }

  #open(digest: Digest, caller: Caller | undefined): Promise<BlobHandle> {
    return honest(this.#fill(digest, caller).open())
  }

  #size(digest: Digest, caller: Caller | undefined): Promise<number | undefined> {
    return honest(new PluginSource(this.#parts, digest, caller).stat())
  }

  /** The transfer of the binary, begun where it is not under way. */
  #fill(digest: Digest, caller: Caller | undefined): Fill {
    const going = this.#fills.get(digest)
    if (going) return going
    const source = new PluginSource(this.#parts, digest, caller)
    const fill: Fill = new Fill(this.#parts.store, digest, {
      source,
      finish: this.#parts.policy.mirrorFinish,
      // Plugins of memflow upstreams are published here: they are no part of the cache that the limit is for.
      reserve: () => () => {},
      keep: async (upload, release) => {
        const { vouched } = source
        try {
          if (vouched) await this.#plugins.publish(upload, vouched.file.signature, vouched.created)
        } finally {
          // Who has the file finds the plugin here from then on; and who is sure of the bytes can have them in any case.
          release()
        }
      },
      onPaused: () => this.#fills.paused(fill),
    })
    this.#fills.add(digest, fill)
    fill.done.catch(error => {
      const expected = error instanceof GivenUp || (error instanceof RegistryError && error.status === 404)
      if (!expected) this.#report(error)
    })
    return fill
  }
}

/** Throws for a list that nothing is known of. */
async function refuse(states: readonly ListState[]): Promise<void> {
  for (const { known, fault } of states) if (!known && fault) throw fault
}

import { put } from '../../index/contract.ts'
import { COMPLETE, LINKS, MANIFESTS } from '../../index/tables.ts'
import { RegistryError } from '../../oci/errors.ts'
import { type Explanation, explain } from './explanation.ts'
import { findDigest } from './find-digest.ts'
import type { GarbageParts } from './garbage-rules.ts'
import { Sweep, type SweepOptions, type Swept } from './sweep.ts'

export interface Collected extends Swept {
  /** Abandoned uploads; a dry run does not look at them. */
  readonly uploads: number
}

/** Removes what nothing needs any more, while the registry serves. */
export class Collector {
  readonly #parts: GarbageParts

  constructor(parts: GarbageParts) {
    this.#parts = parts
  }

  /** Before anything is pushed: an index that begins with an empty store knows all that will be in it. */
  async begin(): Promise<void> {
    const { index, store } = this.#parts
    if (await index.get(COMPLETE, 'store')) return
    for await (const _ of store.list()) return
    await index.apply([put(COMPLETE, ['store'], true)])
  }

  /** Whether the index has nothing at all, and blobs are there: it is not the one that knew them. */
  async isLost(): Promise<boolean> {
    const { index, store } = this.#parts
    if (await index.get(COMPLETE, 'store')) return false
    const [link] = await index.page(LINKS, [], { limit: 1 })
    const [manifest] = await index.page(MANIFESTS, [], { limit: 1 })
    if (link || manifest) return false
    for await (const _ of store.list()) return true
    return false
  }

  /** Throws `INDEX_INCOMPLETE` where the index may not know what is needed. */
  async check(): Promise<void> {
    if (await this.#parts.index.get(COMPLETE, 'store')) return
    throw new RegistryError('INDEX_INCOMPLETE')
  }

  /** One pass, alone among passes. Throws `INDEX_INCOMPLETE`, `INDEX_DAMAGED`. */
  async collect(options: SweepOptions = {}): Promise<Collected> {
    return this.#parts.index.exclusive(['garbage'], async () => {
      options.signal?.throwIfAborted()
      const uploads = options.dryRun ? 0 : await this.expireUploads()
      await this.check()
      // What is not found because it is damaged would look like what nothing needs.
      await this.#parts.index.verify()
      return { uploads, ...(await new Sweep(this.#parts, options).run()) }
    })
  }

  /** Gives up uploads that have long had no byte; answers how many. */
  expireUploads(): Promise<number> {
    const { store, policy } = this.#parts
    return store.expireUploads(new Date(Date.now() - policy.uploadTtl))
  }

  /**
   * What keeps a blob or manifest, or why it goes; of a digest, or of the beginning of one, see `parseAbbreviated`.
   * Undefined if there is none. Throws `BAD_REQUEST` if several begin so.
   */
  async explain(beginning: string): Promise<Explanation | undefined> {
    const digest = await findDigest(this.#parts, beginning)
    return digest && explain(this.#parts, digest)
  }
}

import { put } from '../index/contract.ts'
import { COMPLETE } from '../index/tables.ts'
import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import { type Explanation, explain } from './explanation.ts'
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

  /** Throws `INDEX_INCOMPLETE` where the index may not know what is needed. */
  async check(): Promise<void> {
    if (await this.#parts.index.get(COMPLETE, 'store')) return
    throw new RegistryError('INDEX_INCOMPLETE')
  }

  /** One pass, alone among passes. Throws `INDEX_INCOMPLETE`. */
  async collect(options: SweepOptions = {}): Promise<Collected> {
    return this.#parts.index.exclusive(['garbage'], async () => {
      options.signal?.throwIfAborted()
      const uploads = options.dryRun ? 0 : await this.expireUploads()
      await this.check()
      return { uploads, ...(await new Sweep(this.#parts, options).run()) }
    })
  }

  /** Gives up uploads that have long had no byte; answers how many. */
  expireUploads(): Promise<number> {
    const { store, policy } = this.#parts
    return store.expireUploads(new Date(Date.now() - policy.uploadTtl))
  }

  /** What keeps a blob or manifest, or why it goes. Undefined where there is none of that digest. */
  explain(digest: Digest): Promise<Explanation | undefined> {
    return explain(this.#parts, digest)
  }
}

import type { Batch } from '../../index/batch.ts'
import { MANIFESTS, TAGS, type TagRow } from '../../index/tables.ts'
import { SingleFlight } from '../../lib/single-flight.ts'
import { type Digest, isDigest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import { parseManifest } from '../../oci/manifest.ts'
import type { Repository, Tag } from '../../oci/name.ts'
import { RemoteError } from '../../remote/error.ts'
import { changeRepositories } from '../changes.ts'
import type { Manifests, Reference, StoredManifest } from '../manifests.ts'
import type { Parts } from '../parts.ts'
import type { MayBeStale } from '../reads.ts'
import { setTag } from '../tag-rows.ts'
import { markMirrored, routesOf } from './mirrored.ts'
import { Mirrors, type Route } from './mirrors.ts'
import { orUnknown } from './upstream-fault.ts'
import type { Usage } from './usage.ts'

type Served = StoredManifest & MayBeStale

/**
 * Manifests of mirrored repositories. What a digest names never changes, so what is here is served; a tag is served
 * as long as the upstream's word on it holds, and longer where the upstream gives none.
 */
export class PulledManifests {
  readonly #parts: Parts
  readonly #manifests: Manifests
  readonly #usage: Usage
  readonly #flights = new SingleFlight<Served>()

  constructor(parts: Parts, manifests: Manifests, usage: Usage) {
    this.#parts = parts
    this.#manifests = manifests
    this.#usage = usage
  }

  /** Throws `MANIFEST_UNKNOWN`, `NAME_UNKNOWN`, `RemoteError`. */
  async get(repository: Repository, reference: Reference): Promise<Served> {
    const row = isDigest(reference) ? undefined : await this.#parts.index.get(TAGS, repository, reference)
    const here = await orUnknown(this.#manifests.get(repository, row?.digest ?? reference))
    if (here && (isDigest(reference) || this.#holds(repository, reference, row))) return here
    return this.#flights.run(`${repository} ${reference}`, () =>
      here && row && !isDigest(reference)
        ? this.#revalidate(repository, reference, row, here)
        : this.#fetch(repository, reference),
    )
  }

  /** Whether the tag is served without asking; one that was pushed here always is. */
  #holds(repository: Repository, tag: Tag, row: TagRow | undefined): boolean {
    const [route] = this.#parts.mirrors.routes(repository)
    return row?.checked === undefined || !route || Mirrors.holds(route, tag, this.#ageOf(row.checked))
  }

  /** What the upstream says of the tag now, else what is here. */
  async #revalidate(repository: Repository, tag: Tag, row: TagRow, here: StoredManifest): Promise<Served> {
    const { index, mirrors } = this.#parts
    const age = Math.floor(this.#ageOf(row.checked ?? '0') / 1000)
    try {
      const routes = await routesOf(index, mirrors, repository)
      const asked = await mirrors.ask(routes, `tag ${tag}`, ({ upstream, repository: name }) =>
        upstream.resolve(name, tag),
      )
      if (!asked) return { ...here, stale: { reason: 'the upstream does not have this tag any more', age } }
      const digest = asked.answer
      if (digest && (await this.#point(repository, tag, digest)))
        return await this.#manifests.get(repository, digest)
      return await this.#fetch(repository, digest ?? tag, tag, [asked.route])
    } catch (error) {
      // Neither an upstream nor a storage that fails takes away what is here.
      if (!(error instanceof RemoteError || error instanceof RegistryError)) throw error
      return { ...here, stale: { reason: error.message, age } }
    }
  }

  /** Brings the manifest here, and points the tag at it. */
  async #fetch(
    repository: Repository,
    reference: Reference,
    tag = isDigest(reference) ? undefined : reference,
    from?: readonly Route[],
  ): Promise<Served> {
    const { clock, index, mirrors, store } = this.#parts
    const routes = from ?? (await routesOf(index, mirrors, repository))
    const asked = await mirrors.ask(routes, `manifest ${reference}`, ({ upstream, repository: name }) =>
      upstream.manifest(name, reference),
    )
    // Tells what is unknown: the repository or the manifest.
    if (!asked) return this.#manifests.get(repository, reference)
    const { digest, mediaType, bytes } = asked.answer
    const pushed = { digest, bytes, manifest: parseManifest(bytes, mediaType) }
    await store.admit()
    const now = clock.now()
    const mark = async (batch: Batch) => {
      await markMirrored(batch, mirrors, repository)
      if (tag) await setTag(batch, repository, tag, { digest, checked: now.toString() })
    }
    await this.#manifests.keep(repository, pushed, now, mark, 'later')
    this.#usage.add(bytes.length)
    return { digest, mediaType, bytes }
  }

  /** Notes that the upstream's tag is that manifest now; false where it is not here. */
  async #point(repository: Repository, tag: Tag, digest: Digest): Promise<boolean> {
    const { clock, index } = this.#parts
    let here = false
    await changeRepositories(index, [repository], async batch => {
      here = (await batch.get(MANIFESTS, repository, digest)) !== undefined
      if (here) await setTag(batch, repository, tag, { digest, checked: clock.now().toString() })
    })
    return here
  }

  /** Milliseconds since then. */
  #ageOf(checked: string): number {
    return Number(this.#parts.clock.now() - BigInt(checked)) / 1e6
  }
}

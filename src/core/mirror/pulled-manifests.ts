import type { Batch } from '../../index/batch.ts'
import { MANIFESTS, TAGS, type TagRow } from '../../index/tables.ts'
import { SingleFlight } from '../../lib/single-flight.ts'
import { type Digest, isDigest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import type { Repository, Tag } from '../../oci/name.ts'
import { RemoteError } from '../../remote/error.ts'
import { changeRepositories } from '../changes.ts'
import type { Manifests, Reference, StoredManifest } from '../manifests.ts'
import type { Parts } from '../parts.ts'
import type { Caller, MayBeStale } from '../reads.ts'
import { setTag } from '../tag-rows.ts'
import type { MirrorSize } from './mirror-size.ts'
import { markMirrored, routesOf } from './mirrored.ts'
import { Mirrors, type Route } from './mirrors.ts'
import { Patience } from './patience.ts'
import { orUnknown } from './upstream-fault.ts'

type Served = StoredManifest & MayBeStale

/**
 * Manifests of mirrored repositories. What a digest names never changes, so what is here is served; a tag is served
 * as long as the upstream's word on it holds, and longer where the upstream gives none.
 */
export class PulledManifests {
  readonly #parts: Parts
  readonly #manifests: Manifests
  readonly #size: MirrorSize
  readonly #flights = new SingleFlight<Served>()
  readonly #patience = new Patience()

  constructor(parts: Parts, manifests: Manifests, size: MirrorSize) {
    this.#parts = parts
    this.#manifests = manifests
    this.#size = size
  }

  /** Throws `MANIFEST_UNKNOWN`, `NAME_UNKNOWN`, `TOOMANYREQUESTS`, `RemoteError`. */
  async get(repository: Repository, reference: Reference, caller?: Caller): Promise<Served> {
    const row = isDigest(reference) ? undefined : await this.#parts.index.get(TAGS, repository, reference)
    const here = await orUnknown(this.#manifests.get(repository, row?.digest ?? reference))
    if (here && (isDigest(reference) || this.#holds(repository, reference, row))) return here
    const flight = `${repository} ${reference}`
    if (here && row && !isDigest(reference))
      return this.#renewed(repository, here, row, caller, () =>
        this.#flights.run(flight, () => this.#renew(repository, reference, caller)),
      )
    this.#parts.mirrors.admit(caller)
    return this.#flights.run(flight, () => this.#fetch(repository, reference, { caller }))
  }

  /** When no manifest is on its way; renewals go on after their requests. */
  async settled(): Promise<void> {
    await this.#flights.settled()
  }

  /** Whether the tag is served without asking; one that was pushed here always is. */
  #holds(repository: Repository, tag: Tag, row: TagRow | undefined): boolean {
    const [route] = this.#parts.mirrors.routes(repository)
    return row?.checked === undefined || !route || Mirrors.holds(route, tag, this.#ageOf(row.checked))
  }

  /**
   * What the upstream says of a tag now, if it says so soon; else what is here. Neither an upstream nor a storage that
   * fails takes that away, nor does a caller that asks for too much.
   */
  async #renewed(
    repository: Repository,
    here: StoredManifest,
    { checked = '0' }: TagRow,
    caller: Caller | undefined,
    renew: () => Promise<Served>,
  ): Promise<Served> {
    const { mirrors } = this.#parts
    try {
      mirrors.admit(caller)
      const renewal = renew()
      if (caller?.validates) return await renewal
      return await this.#patience.wait(mirrors.namesOf(repository), renewal)
    } catch (error) {
      if (!(error instanceof RemoteError || error instanceof RegistryError)) throw error
      return { ...here, stale: { reason: error.message, age: Math.floor(this.#ageOf(checked) / 1000) } }
    }
  }

  /** What the upstream says of the tag. Throws `MANIFEST_UNKNOWN` if it does not have it any more. */
  async #renew(repository: Repository, tag: Tag, caller: Caller | undefined): Promise<Served> {
    const { index, mirrors } = this.#parts
    const routes = await routesOf(index, mirrors, repository)
    const asked = await mirrors.ask(
      routes,
      `tag ${tag}`,
      ({ upstream, repository: name }) => upstream.resolve(name, tag),
      caller,
    )
    if (!asked) {
      const message = 'the upstream does not have this tag any more'
      throw new RegistryError('MANIFEST_UNKNOWN', { message })
    }
    const digest = asked.answer
    if (digest && (await this.#point(repository, tag, digest)))
      return await this.#manifests.get(repository, digest)
    return await this.#fetch(repository, digest ?? tag, { tag, from: [asked.route], caller })
  }

  /** Brings the manifest here, and points the tag at it. */
  async #fetch(
    repository: Repository,
    reference: Reference,
    options: {
      tag?: Tag
      from?: readonly Route[]
      caller: Caller | undefined
    },
  ): Promise<Served> {
    const { tag = isDigest(reference) ? undefined : reference, from, caller } = options
    const { clock, index, mirrors, store } = this.#parts
    const routes = from ?? (await routesOf(index, mirrors, repository))
    const asked = await mirrors.ask(
      routes,
      `manifest ${reference}`,
      ({ upstream, repository: name }) => upstream.manifest(name, reference),
      caller,
    )
    // Tells what is unknown: the repository or the manifest.
    if (!asked) return this.#manifests.get(repository, reference)
    const { digest, bytes, manifest } = asked.answer
    // What is here stays as it is, also if the upstream serves the same bytes as another type now.
    if (tag && !isDigest(reference) && (await this.#point(repository, tag, digest)))
      return this.#manifests.get(repository, digest)
    await store.admit()
    const now = clock.now()
    const mark = async (batch: Batch) => {
      await markMirrored(batch, mirrors, repository)
      if (tag) await setTag(batch, repository, tag, { digest, checked: now.toString() })
    }
    await this.#manifests.keep(repository, asked.answer, now, mark, 'later')
    this.#size.add(bytes.length)
    return { digest, mediaType: manifest.mediaType, bytes }
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

  /** Milliseconds since then; negative if the clock was put back. */
  #ageOf(checked: string): number {
    return Number(this.#parts.clock.now() - BigInt(checked)) / 1e6
  }
}

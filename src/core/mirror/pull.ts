import type { Digest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import type { Repository } from '../../oci/name.ts'
import type { BackgroundSearch } from '../background-search.ts'
import type { Blobs } from '../blobs.ts'
import type { Discovery, ListPage } from '../discovery.ts'
import type { Manifests, Reference, StoredManifest } from '../manifests.ts'
import type { Parts } from '../parts.ts'
import {
  type Caller,
  LocalReads,
  type MayBeStale,
  type MayLack,
  type Reads,
  type ReferrersQuery,
  type ServedBlob,
} from '../reads.ts'
import type { BlobFill } from './blob-fill.ts'
import { GivenUp, NoRoom } from './fill.ts'
import type { MirrorSize } from './mirror-size.ts'
import { PulledBlobs } from './pulled-blobs.ts'
import { PulledLists } from './pulled-lists.ts'
import { PulledManifests } from './pulled-manifests.ts'
import { honest } from './upstream-fault.ts'
import type { Usage } from './usage.ts'

/** Reads from here, and through the mirrors what is not. All throw `UPSTREAM_…` errors where an upstream failed. */
export class Pull implements Reads {
  readonly #manifests: PulledManifests
  readonly #blobs: PulledBlobs
  readonly #lists: PulledLists
  readonly #usage: Usage
  readonly #size: MirrorSize
  readonly #report: (error: unknown) => void
  readonly #search: BackgroundSearch

  /** `report` hears of what fails when nobody waits for it. */
  constructor(
    parts: Parts,
    blobs: Blobs,
    manifests: Manifests,
    discovery: Discovery,
    usage: Usage,
    size: MirrorSize,
    search: BackgroundSearch,
    report: (error: unknown) => void,
  ) {
    this.#search = search
    this.#usage = usage
    this.#size = size
    this.#report = report
    this.#manifests = new PulledManifests(parts, manifests, size)
    const here = new LocalReads(blobs, manifests, discovery)
    const hold = search.hold.bind(search)
    this.#blobs = new PulledBlobs(parts, hold, here, size, fill => this.#follow(fill))
    this.#lists = new PulledLists(parts, discovery)
  }

  async manifest(
    repository: Repository,
    reference: Reference,
    caller?: Caller,
  ): Promise<StoredManifest & MayBeStale> {
    const manifest = await honest(this.#manifests.get(repository, reference, caller))
    this.#usage.note(manifest.digest, repository)
    return manifest
  }

  async blob(
    repository: Repository,
    digest: Digest,
    wanted: 'bytes' | 'size',
    caller?: Caller,
  ): Promise<ServedBlob> {
    const blob = await honest(this.#blobs.get(repository, digest, wanted, caller))
    this.#usage.note(digest)
    return { size: blob.size, open: () => honest(blob.open()), check: () => honest(blob.check()) }
  }

  tags(
    repository: Repository,
    limit: number,
    after?: string,
    caller?: Caller,
  ): Promise<ListPage<string> & MayBeStale> {
    return honest(this.#lists.tags(repository, limit, after, caller))
  }

  referrers(
    repository: Repository,
    subject: Digest,
    limit: number,
    query: ReferrersQuery,
    caller?: Caller,
  ): Promise<ListPage<Descriptor> & MayBeStale & MayLack> {
    return honest(this.#lists.referrers(repository, subject, limit, query, caller))
  }

  /** When the transfers and renewals under way have ended, with what follows from them. */
  async settled(): Promise<void> {
    await Promise.all([this.#blobs.fills.settled(), this.#manifests.settled()])
    await this.#search.settled()
  }

  /** Gives up the transfers that have no readers. */
  giveUp(): void {
    this.#blobs.fills.giveUp()
  }

  #follow({ done, digest, size }: BlobFill): void {
    const failed = (error: unknown) => {
      const expected = error instanceof GivenUp || error instanceof NoRoom
      if (!expected && !(error instanceof RegistryError && error.status === 404)) this.#report(error)
    }
    done
      .then(async () => {
        this.#usage.note(digest)
        this.#size.add(await size)
      })
      .catch(failed)
  }
}

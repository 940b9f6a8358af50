import type { Digest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import type { Repository } from '../../oci/name.ts'
import type { BackgroundSearch } from '../background-search.ts'
import type { Blobs } from '../blobs.ts'
import type { Discovery, ListPage } from '../discovery.ts'
import type { Manifests, Reference, StoredManifest } from '../manifests.ts'
import type { Parts } from '../parts.ts'
import { LocalReads, type MayBeStale, type Reads, type ReferrersQuery, type ServedBlob } from '../reads.ts'
import type { BlobFill } from './blob-fill.ts'
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
  readonly #report: (error: unknown) => void
  readonly #search: BackgroundSearch

  /** `report` hears of what fails when nobody waits for it. */
  constructor(
    parts: Parts,
    blobs: Blobs,
    manifests: Manifests,
    discovery: Discovery,
    usage: Usage,
    search: BackgroundSearch,
    report: (error: unknown) => void,
  ) {
    this.#search = search
    this.#usage = usage
    this.#report = report
    this.#manifests = new PulledManifests(parts, manifests, usage)
    const here = new LocalReads(blobs, manifests, discovery)
    const hold = search.hold.bind(search)
    this.#blobs = new PulledBlobs(parts, hold, here, fill => this.#follow(fill))
    this.#lists = new PulledLists(parts, discovery)
  }

  async manifest(repository: Repository, reference: Reference): Promise<StoredManifest & MayBeStale> {
    const manifest = await honest(this.#manifests.get(repository, reference))
    this.#usage.note(manifest.digest, repository)
    return manifest
  }

  async blob(repository: Repository, digest: Digest, wanted: 'bytes' | 'size'): Promise<ServedBlob> {
    const blob = await honest(this.#blobs.get(repository, digest, wanted))
    this.#usage.note(digest)
    return { size: blob.size, open: () => honest(blob.open()), check: () => honest(blob.check()) }
  }

  tags(repository: Repository, limit: number, after?: string): Promise<ListPage<string> & MayBeStale> {
    return honest(this.#lists.tags(repository, limit, after))
  }

  referrers(
    repository: Repository,
    subject: Digest,
    limit: number,
    query: ReferrersQuery,
  ): Promise<ListPage<Descriptor> & MayBeStale> {
    return honest(this.#lists.referrers(repository, subject, limit, query))
  }

  /** When the transfers under way have ended, with what follows from them. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#blobs.fills.map(fill => fill.done))
    await this.#search.settled()
  }

  #follow({ done, digest, size }: BlobFill): void {
    const failed = (error: unknown) => {
      if (!(error instanceof RegistryError && error.status === 404)) this.#report(error)
    }
    done
      .then(async () => {
        this.#usage.note(digest)
        this.#usage.add(await size)
      })
      .catch(failed)
  }
}

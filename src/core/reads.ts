import type { Digest } from '../oci/digest.ts'
import type { Descriptor } from '../oci/manifest.ts'
import type { Repository } from '../oci/name.ts'
import type { BlobHandle } from '../store/contract.ts'
import type { Blobs } from './blobs.ts'
import type { Discovery, ListPage } from './discovery.ts'
import type { Manifests, Reference, StoredManifest } from './manifests.ts'

/** Why an answer is a kept one, although the upstream should have been asked. */
export interface Stale {
  /** For people: what failed where. */
  readonly reason: string
  /** Seconds since the upstream said so; undefined where that is not known. */
  readonly age?: number
}

export interface MayBeStale {
  readonly stale?: Stale | undefined
}

/** A list that lacks something. */
export interface MayLack {
  /** Why it lacks something, for people. */
  readonly fault?: string | undefined
}

/** A blob that is here, or on its way. */
export interface ServedBlob {
  /** In bytes. */
  readonly size: number
  readonly open: () => Promise<BlobHandle>
  /** Throws where `open` would. */
  readonly check: () => Promise<void>
}

/** Whose request it is, as far as that makes a difference. */
export interface Caller {
  /** The client's address; undefined if its requests are not counted. */
  readonly address: string | undefined
  /** Whether the upstream's word is worth waiting for, though the cache has an answer (RFC 9111, section 5.2.1.4). */
  readonly validates: boolean
}

export interface ReferrersQuery {
  readonly artifactType?: string | undefined
  readonly after?: string | undefined
}

/**
 * What is read over OCI, wherever it comes from: here alone, or upstreams as well (core/mirror/pull.ts).
 * With upstreams all throw `TOOMANYREQUESTS` if the caller asks for too much that is not here.
 */
export interface Reads {
  /** Throws `MANIFEST_UNKNOWN`, `NAME_UNKNOWN`. */
  manifest(
    repository: Repository,
    reference: Reference,
    caller?: Caller,
  ): Promise<StoredManifest & MayBeStale>
  /** `wanted`: whether the bytes will be asked for, or only their size. Throws `BLOB_UNKNOWN`. */
  blob(repository: Repository, digest: Digest, wanted: 'bytes' | 'size', caller?: Caller): Promise<ServedBlob>
  /** Throws `NAME_UNKNOWN`. */
  tags(
    repository: Repository,
    limit: number,
    after?: string,
    caller?: Caller,
  ): Promise<ListPage<string> & MayBeStale>
  referrers(
    repository: Repository,
    subject: Digest,
    limit: number,
    query: ReferrersQuery,
    caller?: Caller,
  ): Promise<ListPage<Descriptor> & MayBeStale & MayLack>
}

/** Of what is here alone. */
export class LocalReads implements Reads {
  readonly #blobs: Blobs
  readonly #manifests: Manifests
  readonly #discovery: Discovery

  constructor(blobs: Blobs, manifests: Manifests, discovery: Discovery) {
    this.#blobs = blobs
    this.#manifests = manifests
    this.#discovery = discovery
  }

  manifest(repository: Repository, reference: Reference): Promise<StoredManifest> {
    return this.#manifests.get(repository, reference)
  }

  async blob(repository: Repository, digest: Digest): Promise<ServedBlob> {
    const size = await this.#blobs.stat(repository, digest)
    return {
      size,
      open: () => this.#blobs.open(digest, size),
      check: () => this.#blobs.check(digest, size),
    }
  }

  tags(repository: Repository, limit: number, after?: string): Promise<ListPage<string>> {
    return this.#discovery.tags(repository, limit, after)
  }

  referrers(
    repository: Repository,
    subject: Digest,
    limit: number,
    query: ReferrersQuery,
  ): Promise<ListPage<Descriptor>> {
    return this.#discovery.referrers(repository, subject, limit, query)
  }
}

import type { Digest } from '../oci/digest.ts'
import type { Descriptor, Manifest } from '../oci/manifest.ts'
import type { Repository, Tag } from '../oci/name.ts'
import type { PluginDescriptor } from '../plugin/descriptor.ts'

/** A manifest as the upstream sent it; its bytes hash to the digest. */
export interface RemoteManifest {
  readonly digest: Digest
  readonly bytes: Uint8Array
  /** What is understood of it. */
  readonly manifest: Manifest
}

/** The referrers of a manifest as the upstream lists them. */
export interface RemoteReferrers {
  /** Those that have a media type, a digest and a size. */
  readonly entries: readonly Descriptor[]
  /** What is wrong with the list, for people; undefined if all of it is in `entries`. */
  readonly fault: string | undefined
}

/**
 * Bytes on their way from an upstream. The body's errors are `RemoteError`s. It holds a connection until it is read
 * to its end or broken off; who does not begin to read it has to `cancel`.
 */
export interface RemoteBlob {
  /** Of the body, in bytes; undefined where the upstream does not say. */
  readonly size: number | undefined
  readonly body: AsyncIterable<Uint8Array>
  cancel(): void
}

/** An OCI registry that is asked for what is not here. All methods throw `RemoteError`. */
export interface OciUpstream {
  readonly name: string
  /** A manifest, verified against the digest where that was asked for, against `Docker-Content-Digest` otherwise. */
  manifest(repository: Repository, reference: Digest | Tag): Promise<RemoteManifest>
  /** The digest that the tag has now, by HEAD; undefined where the upstream does not say. */
  resolve(repository: Repository, tag: Tag): Promise<Digest | undefined>
  /** The bytes from `start` on, not verified. */
  blob(repository: Repository, digest: Digest, start?: number): Promise<RemoteBlob>
  /** Size in bytes, by HEAD; undefined where the upstream does not say. */
  stat(repository: Repository, digest: Digest): Promise<number | undefined>
  /** A page of tags in the upstream's order. `next`: what to send as `after` for the next one; undefined on the last. */
  tags(
    repository: Repository,
    limit: number,
    after?: string,
  ): Promise<{ tags: string[]; next: string | undefined }>
  /** By the referrers API, else by the tag schema. */
  referrers(repository: Repository, subject: Digest): Promise<RemoteReferrers>
  /** A page of repositories, for `mirror sync`. */
  repositories(limit: number, after?: string): Promise<{ repositories: string[]; next: string | undefined }>
  close(): Promise<void>
}

/** One entry of an upstream's GET /plugins/{name}, checked. */
export interface RemoteVariant {
  readonly digest: string
  readonly signature: string
  readonly created_at: string
  readonly descriptor: PluginDescriptor
}

/** A memflow registry that is asked for plugins that are not here. All methods throw `RemoteError`. */
export interface MemflowUpstream {
  readonly name: string
  names(): Promise<{ name: string; description: string }[]>
  /** All variants of a plugin: the upstream's pages, walked to their end. */
  variants(name: string): Promise<RemoteVariant[]>
  /** Descriptors and signature of a binary. `digest`: 64 hex digits. */
  metadata(
    digest: string,
  ): Promise<{ signature: string; created_at: string; descriptors: PluginDescriptor[] }>
  /** Size of a binary in bytes, by HEAD; undefined where the upstream does not say. */
  stat(digest: string): Promise<number | undefined>
  /** The bytes of a binary from `start` on, not verified. */
  file(digest: string, start?: number): Promise<RemoteBlob>
  close(): Promise<void>
}

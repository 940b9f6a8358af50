import type { Digest } from '../oci/digest.ts'
import type { Descriptor } from '../oci/manifest.ts'
import type { PluginDescriptor } from '../plugin/descriptor.ts'
import type { BinaryFacts } from '../plugin/facts.ts'
import type { Table } from './contract.ts'

/* Truth: what clients pushed. */

/** A repository is known from its first manifest on. */
export const REPOSITORIES = table<[repository: string], { readonly created: string }>('repository')

/** A repository that a pull through a mirror has begun, and the name of that mirror. */
export const MIRRORED = table<[repository: string], { readonly mirror: string }>('mirrored')

/** Garbage collection's note on a row; the row goes a grace period later. Whoever needs it meanwhile takes the note off. */
export interface Noted {
  /** When nothing was found to need it, nanoseconds since 1970, in digits. */
  readonly unused?: string
}

export interface LinkRow extends Noted {
  /** In bytes. */
  readonly size: number
}

/** A blob that the repository holds. */
export const LINKS = table<[repository: string, digest: string], LinkRow>('link')

/** The same, asked from the blob's side: where it can be mounted from, what keeps it. */
export const HOLDERS = table<[digest: string, repository: string], true>('holder')

export interface ManifestRow {
  readonly mediaType: string
  /** In bytes. */
  readonly size: number
  /** Nanoseconds since 1970, in digits. */
  readonly pushed: string
  readonly subject?: Digest
  readonly artifactType?: string
}

export const MANIFESTS = table<[repository: string, digest: string], ManifestRow>('manifest')

/** The manifest as it was pushed, byte for byte. */
export const MANIFEST_BYTES = table<[repository: string, digest: string], Uint8Array>('bytes', 'bytes')

/** The indexes in a repository that the registry composed, also those that a newer one has followed. */
export const COMPOSED = table<[repository: string, digest: string], Noted>('composed')

export interface TagRow {
  readonly digest: Digest
  /** Maintained by the registry; a tag that a user pushes takes its place. */
  readonly composed?: true
  /** Of a mirrored tag: when the upstream was last asked what it is, nanoseconds since 1970, in digits. */
  readonly checked?: string
}

export const TAGS = table<[repository: string, tag: string], TagRow>('tag')

/** Which tags a manifest has. */
export const TAGGED = table<[repository: string, digest: string, tag: string], true>('tagged')

/** What a snapshot of the index must have, because nothing else tells it. */
export const TRUTH: readonly Table<readonly string[], unknown>[] = [
  REPOSITORIES,
  MIRRORED,
  LINKS,
  MANIFESTS,
  MANIFEST_BYTES,
  COMPOSED,
  TAGS,
]

/* Derived: a function of the rows above and the blobs, rebuilt by reindex. */

/** What a manifest names: blobs, manifests, its subject; whether they are here or not. */
export const REFERENCES = table<[repository: string, digest: string, manifest: string], true>('reference')

export const REFERRERS = table<[repository: string, subject: string, digest: string], Descriptor>('referrer')

export const REFERRERS_BY_TYPE = table<
  [repository: string, subject: string, artifactType: string, digest: string],
  Descriptor
>('referrer-type')

/** A plugin binary found in a manifest. */
export interface ClaimRow {
  readonly size: number
  /** In the form that is served; empty where there is none. */
  readonly signature: string
  /** Fingerprint of the key that verified it; absent where no key is configured or no signature came. */
  readonly key?: string
  /** Whether the plugin is shown by the REST API and in composed tags. */
  readonly listed: boolean
  /** Nanoseconds since 1970, in digits. */
  readonly created: string
  readonly pushed: string
  readonly descriptors: readonly PluginDescriptor[]
}

export const CLAIMS = table<[binary: string, repository: string, manifest: string], ClaimRow>('claim')

/** The claims of a manifest, and by the binary's short digest. */
export const CLAIMED = table<[repository: string, manifest: string, binary: string], true>('claimed')
export const BINARIES = table<[repository: string, binary: string, manifest: string], true>('binary')

/** A build of a plugin as an entry of a composed index, best first within scope (a composed tag) and platform. */
export const BUILDS = table<
  [repository: string, scope: string, platform: string, abi: string, created: string, manifest: string],
  Descriptor
>('build')

/** What GET /files/{digest}/metadata answers. */
export interface FileRow {
  readonly digest: string
  readonly signature: string
  readonly created_at: string
  readonly descriptors: readonly PluginDescriptor[]
}

export const FILES = table<[digest: string], FileRow & { readonly size: number }>('file')

/** The facts of a binary that is claimed, and the version of the analyzer that read them. */
export interface FactsRow {
  readonly analyzer: number
  readonly facts: BinaryFacts
}

export const FACTS = table<[binary: string], FactsRow>('facts')

/** One entry of GET /plugins/{name}, as it is sent. */
export interface VariantRow {
  readonly digest: string
  readonly signature: string
  readonly created_at: string
  readonly descriptor: PluginDescriptor
}

/** Variants in the order of the answer: a copy under every combination of filters that a query can name (see core/variants.ts). */
export const VARIANTS = table<
  [name: string, facet: string, abi: string, created: string, digest: string, nth: string],
  VariantRow
>('variant')

export const VARIANTS_BY_DIGEST = table<
  [name: string, digest: string, abi: string, created: string, nth: string],
  VariantRow
>('variant-digest')

/** GET /plugins: a name and the description of its newest variant. */
export const NAMES = table<[name: string], { readonly name: string; readonly description: string }>('name')

/** What reindex makes anew. */
export const DERIVED: readonly Table<readonly string[], unknown>[] = [
  HOLDERS,
  TAGGED,
  REFERENCES,
  REFERRERS,
  REFERRERS_BY_TYPE,
  CLAIMS,
  CLAIMED,
  BINARIES,
  BUILDS,
  FILES,
  FACTS,
  VARIANTS,
  VARIANTS_BY_DIGEST,
  NAMES,
]

/** There where the index knows all blobs of the store: it began with the store, or reindex made it. */
export const COMPLETE = table<[what: 'store'], true>('complete')

/**
 * The last time that was given to anything, nanoseconds since 1970 in digits. Neither truth nor derived: an index made
 * anew has the times of the manifests that it was made of.
 */
export const LAST_TIME = table<[what: 'given'], { readonly time: string }>('last-time')

export function table<Key extends readonly string[], Row>(
  prefix: string,
  encoding: 'json' | 'bytes' = 'json',
): Table<Key, Row> {
  return { prefix, encoding }
}

import { parseRfc3339, rfc3339 } from '../lib/clock.ts'
import { algorithmOf, type Digest, hexOf, isDigest } from './digest.ts'
import { RegistryError } from './errors.ts'
import { type Descriptor, parseManifest, parseObject } from './manifest.ts'
import { STORED_LIMITS } from './manifest-limits.ts'
import { isManifestMediaType, OCI_INDEX } from './media-types.ts'
import { isTag, parseRepository, type Repository, type Tag } from './name.ts'

/*
 * An OCI image layout, image-spec image-layout.md. It knows no repositories and no times: they stand in annotations of
 * the descriptors in index.json, which other tools pass over.
 */

export const LAYOUT_FILE = 'oci-layout'
export const INDEX_FILE = 'index.json'
export const LAYOUT_HEADER = '{"imageLayoutVersion":"1.0.0"}'

/** What stands beside the blobs, by its name, in the order in which it is written: the index makes a layout whole. */
export function layoutDocuments(index: string): readonly (readonly [name: string, bytes: Buffer])[] {
  return [
    [LAYOUT_FILE, Buffer.from(LAYOUT_HEADER)],
    [INDEX_FILE, Buffer.from(index)],
  ]
}

/** The largest index.json in bytes: half a million manifests. All of it is in memory when it is read. */
export const MAX_INDEX_BYTES = 256 * 1024 * 1024

const NAME = 'org.opencontainers.image.ref.name'
const REPOSITORY = 'io.memflow.registry.repository'
const PUSHED = 'io.memflow.registry.pushed'
const COMPOSED = 'io.memflow.registry.composed'
const MIRROR = 'io.memflow.registry.mirror'
/** Of index.json itself: the repositories in the layout, or `*` for all that the registry had. */
const SCOPE = 'io.memflow.registry.repositories'

/** A manifest in a layout, once for each of its tags. */
export interface LayoutEntry {
  readonly digest: Digest
  readonly mediaType: string
  /** In bytes. */
  readonly size: number
  /** Undefined where another tool wrote the layout. */
  readonly repository?: Repository | undefined
  readonly tag?: Tag | undefined
  /** Nanoseconds since 1970. */
  readonly pushed?: bigint | undefined
  /** The registry made the index, or keeps the tag. */
  readonly composed?: boolean | undefined
  /** The mirror that the repository is filled from. */
  readonly mirror?: string | undefined
}

export interface LayoutIndex {
  readonly entries: readonly LayoutEntry[]
  /** Undefined where another tool wrote the layout; without names in it, all repositories. */
  readonly scope: readonly string[] | undefined
  /** Digests of what is listed and is no manifest. */
  readonly others: readonly string[]
}

/** Where the blob lies in the layout. */
export function layoutPath(digest: Digest): string {
  return `blobs/${algorithmOf(digest)}/${hexOf(digest)}`
}

/** The blob that lies there, if it is one. */
export function digestAt(path: string): Digest | undefined {
  const [, algorithm, hex] = /^blobs\/([a-z0-9]+)\/([0-9a-f]+)$/.exec(path) ?? []
  const digest = `${algorithm}:${hex}`
  return isDigest(digest) ? digest : undefined
}

/**
 * The text of index.json, one entry a line. `scope` are the repositories that were asked for, none for all of them:
 * clients find a tag of the only one by its name, and else by `repository:tag`. Throws `BAD_REQUEST` where it is too large.
 */
export function layoutIndex(entries: readonly LayoutEntry[], scope: readonly string[]): string {
  const lines = entries.map(entry => JSON.stringify(descriptorOf(entry, scope.length === 1)))
  const head = { schemaVersion: 2, mediaType: OCI_INDEX, annotations: { [SCOPE]: scopeOf(scope) } }
  const text = `${JSON.stringify(head).slice(0, -1)},"manifests":[\n${lines.join(',\n')}\n]}\n`
  if (Buffer.byteLength(text) <= MAX_INDEX_BYTES) return text
  throw new RegistryError('BAD_REQUEST', {
    message: 'these are more manifests than one layout takes; make several of them with --repository',
  })
}

/** Reads index.json, of this program or of any other. Throws `MANIFEST_INVALID`, `NAME_INVALID`. */
export function parseLayoutIndex(bytes: Uint8Array): LayoutIndex {
  const index = parseManifest(bytes, OCI_INDEX, STORED_LIMITS)
  const listed = index.kind === 'index' ? index.manifests : []
  const scope = index.annotations?.[SCOPE]
  const entries = listed.map(entryOf)
  return {
    entries: entries.filter(entry => entry !== undefined),
    scope: scope === '*' ? [] : scope?.split(' '),
    others: listed.filter((_, i) => entries[i] === undefined).map(({ digest }) => digest),
  }
}

/** Throws `MANIFEST_INVALID` where the file `oci-layout` is none, or of a layout that is not known here. */
export function checkLayoutHeader(bytes: Uint8Array): void {
  const { imageLayoutVersion } = parseObject(bytes)
  if (imageLayoutVersion === '1.0.0') return
  throw new RegistryError('MANIFEST_INVALID', {
    message: `${LAYOUT_FILE} tells a version that is not known here: ${JSON.stringify(imageLayoutVersion)?.slice(0, 100)}`,
  })
}

/** Whether two layouts are of the same repositories, so that one can follow the other in its place. */
export function sameScope(a: readonly string[], b: readonly string[]): boolean {
  return scopeOf(a) === scopeOf(b)
}

function scopeOf(repositories: readonly string[]): string {
  return repositories.length === 0 ? '*' : [...new Set(repositories)].sort().join(' ')
}

function descriptorOf(entry: LayoutEntry, alone: boolean): Descriptor {
  const { mediaType, digest, size, repository, tag, pushed, composed, mirror } = entry
  const annotations: Record<string, string> = {
    ...(tag && { [NAME]: alone ? tag : `${repository}:${tag}` }),
    ...(repository && { [REPOSITORY]: repository }),
    ...(pushed !== undefined && { [PUSHED]: rfc3339(pushed) }),
    ...(composed && { [COMPOSED]: 'true' }),
    ...(mirror && { [MIRROR]: mirror }),
  }
  return { mediaType, digest, size, annotations }
}

/** Undefined where the descriptor is no manifest's, which is no error (image-layout.md#indexjson-file). */
function entryOf({ mediaType, digest, size, annotations = {} }: Descriptor): LayoutEntry | undefined {
  const { [NAME]: name, [REPOSITORY]: repository, [PUSHED]: pushed, [MIRROR]: mirror } = annotations
  // A manifest of an upstream may be of any type.
  const isManifest = isManifestMediaType(mediaType) || repository !== undefined
  if (!isManifest || !isDigest(digest)) return undefined
  // What stands before the colon is a repository, or whatever another tool puts there.
  const tag = name?.slice(name.lastIndexOf(':') + 1) ?? ''
  return {
    mediaType,
    digest,
    size,
    repository: repository === undefined ? undefined : parseRepository(repository),
    tag: isTag(tag) ? tag : undefined,
    pushed: parseRfc3339(pushed ?? ''),
    composed: annotations[COMPOSED] === 'true',
    mirror,
  }
}

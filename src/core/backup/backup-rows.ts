import type { Index, Reader } from '../../index/contract.ts'
import {
  COMPOSED,
  LINKS,
  MANIFEST_BYTES,
  MANIFESTS,
  MIRRORED,
  REPOSITORIES,
  TAGGED,
  TAGS,
} from '../../index/tables.ts'
import { algorithmOf, type Digest, digestOf, isDigest } from '../../oci/digest.ts'
import type { Documents } from '../../oci/documents.ts'
import { RegistryError } from '../../oci/errors.ts'
import { blobsOf, distinct } from '../../oci/manifest.ts'
import type { Repository, Tag } from '../../oci/name.ts'

/** All that a backup has of a manifest, as JSON between the process that has the index and the one that writes it. */
export interface BackupRow {
  readonly repository: Repository
  readonly digest: Digest
  readonly mediaType: string
  /** Nanoseconds since 1970, in digits. */
  readonly pushed: string
  /** The registry made it. */
  readonly composed: boolean
  readonly tags: readonly { readonly tag: Tag; readonly composed: boolean }[]
  readonly mirror?: string
  /** As it was pushed; undefined where the index has lost it. */
  readonly text?: string
  /** What the repository holds of the blobs that it names. */
  readonly blobs: readonly { readonly digest: Digest; readonly size: number }[]
}

/**
 * The manifests of these repositories, or of all where none is named, as they are at one moment.
 * Blobs that no manifest names are left out: they are garbage, or on their way to a manifest that comes later.
 * Throws `NAME_UNKNOWN`.
 */
export async function* backupRows(
  index: Index,
  documents: Documents,
  repositories: readonly Repository[],
): AsyncGenerator<BackupRow> {
  const moment = index.snapshot()
  try {
    for (const repository of repositories) {
      if (await moment.get(REPOSITORIES, repository)) continue
      throw new RegistryError('NAME_UNKNOWN', { message: `there is no repository ${repository} here` })
    }
    for (const parts of repositories.length === 0 ? [[]] : repositories.map(name => [name])) {
      for await (const { key, row } of moment.scan(MANIFESTS, parts)) {
        const [repository, digest] = key as [Repository, Digest]
        yield {
          repository,
          digest,
          mediaType: row.mediaType,
          pushed: row.pushed,
          composed: (await moment.get(COMPOSED, repository, digest)) !== undefined,
          tags: await tagsOf(moment, repository, digest),
          ...(await mirrorOf(moment, repository)),
          ...(await contentOf(moment, documents, repository, digest, row.mediaType)),
        }
      }
    }
  } finally {
    await moment.close()
  }
}

async function tagsOf(reader: Reader, repository: Repository, digest: Digest): Promise<BackupRow['tags']> {
  const tags = (await reader.page(TAGGED, [repository, digest])).map(({ key }) => key[2] as Tag)
  const rows = await Promise.all(tags.map(tag => reader.get(TAGS, repository, tag)))
  return tags.map((tag, i) => ({ tag, composed: rows[i]?.composed === true }))
}

async function mirrorOf(reader: Reader, repository: Repository): Promise<Pick<BackupRow, 'mirror'>> {
  const mirrored = await reader.get(MIRRORED, repository)
  return mirrored ? { mirror: mirrored.mirror } : {}
}

async function contentOf(
  reader: Reader,
  documents: Documents,
  repository: Repository,
  digest: Digest,
  mediaType: string,
): Promise<Pick<BackupRow, 'text' | 'blobs'>> {
  const bytes = await reader.get(MANIFEST_BYTES, repository, digest)
  if (!bytes || digestOf(bytes, algorithmOf(digest)) !== digest) return { blobs: [] }
  const manifest = await documents.stored(bytes, mediaType)
  const blobs: { digest: Digest; size: number }[] = []
  for (const blob of distinct(blobsOf(manifest))) {
    const link = isDigest(blob.digest) && (await reader.get(LINKS, repository, blob.digest))
    if (link) blobs.push({ digest: blob.digest as Digest, size: link.size })
  }
  return { text: Buffer.from(bytes).toString(), blobs }
}

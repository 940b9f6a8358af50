import type { LayoutReader } from '../../archive/contract.ts'
import { COMPOSED, MANIFESTS, MIRRORED, REPOSITORIES, TAGS } from '../../index/tables.ts'
import { errno } from '../../lib/errno.ts'
import { type Digest, isDigest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import { parseLayoutIndex } from '../../oci/layout.ts'
import { blobsOf, childrenOf, distinct, type Manifest } from '../../oci/manifest.ts'
import { isNonDistributable } from '../../oci/media-types.ts'
import type { Repository, Tag } from '../../oci/name.ts'
import { Blobs } from '../blobs.ts'
import { changeRepositories, keepingBytes } from '../changes.ts'
import { putIndex } from '../composed-tags.ts'
import type { Pushed } from '../manifest-rows.ts'
import { Manifests } from '../manifests.ts'
import type { Parts } from '../parts.ts'
import { UNREADABLE } from '../scrub.ts'
import { storeStream } from '../store-bytes.ts'
import { setTag } from '../tag-rows.ts'
import { keyOf, type LayoutManifest, layoutManifests, readManifest } from './layout-manifests.ts'

export interface RestoreOptions {
  /** Where manifests go of which the layout does not say. */
  readonly repository?: Repository | undefined
  /** Points tags at the manifests of the layout that are at others here. */
  readonly overwrite?: boolean | undefined
  /** Hears of manifests that are done, of how many there are, and of the bytes of their blobs. */
  readonly progress?: (manifests: number, of: number, bytes: number) => void
}

/** A manifest or blob that could not be had from the layout. */
export interface NotRestored {
  readonly digest: Digest
  readonly repository: Repository
  readonly why: string
}

export interface Restored {
  readonly repositories: number
  /** Manifests and tags that are as in the layout now. */
  readonly manifests: number
  readonly tags: number
  /** The blobs that they need; in bytes. */
  readonly blobs: number
  readonly bytes: number
  /** Tags that are at other manifests here, and stayed there. */
  readonly kept: readonly string[]
  readonly failed: readonly NotRestored[]
  /** What is listed in the layout and is no manifest. */
  readonly others: readonly string[]
}

/**
 * Puts the manifests of a layout into the registry, while nobody else is at it: by the rules of a push, in the order of
 * their pushes and at the times of them. Nothing that is here goes, so it may be done again, also where it was stopped.
 * Every byte is checked against its digest.
 */
export class Restore {
  readonly #parts: Parts
  readonly #layout: LayoutReader
  readonly #options: RestoreOptions
  readonly #blobs: Blobs
  readonly #manifests: Manifests
  readonly #repositories = new Map<Repository, { readonly known: boolean }>()
  /** All that the layout has. */
  readonly #listed = new Set<string>()
  readonly #kept: string[] = []
  readonly #failed: NotRestored[] = []
  readonly #taken = new Set<Digest>()
  #tags = 0
  #bytes = 0

  constructor(parts: Parts, layout: LayoutReader, options: RestoreOptions = {}) {
    this.#parts = parts
    this.#layout = layout
    this.#options = options
    this.#blobs = new Blobs(parts)
    this.#manifests = new Manifests(parts)
  }

  /** Throws `LayoutError`, `MANIFEST_INVALID` and `NAME_INVALID` for what index.json says. */
  async run(): Promise<Restored> {
    const index = parseLayoutIndex(await this.#layout.index())
    const listed = await layoutManifests(this.#layout, index, this.#options.repository)
    for (const { repository, digest } of listed) this.#listed.add(keyOf(repository, digest))
    let manifests = 0
    for (const [i, one] of listed.entries()) {
      if (await this.#put(one)) manifests++
      this.#options.progress?.(i + 1, listed.length, this.#bytes)
    }
    return {
      repositories: this.#repositories.size,
      manifests,
      tags: this.#tags,
      blobs: this.#taken.size,
      bytes: this.#bytes,
      kept: this.#kept,
      failed: this.#failed,
      others: index.others,
    }
  }

  /** False where it is none that a user has pushed, or could not be had. */
  async #put(one: LayoutManifest): Promise<boolean> {
    const { repository, digest } = one
    const read = await readManifest(this.#layout, one)
    if ('why' in read) return this.#fail(one, digest, read.why)
    if (one.composed) return this.#putComposed(one, read)
    const { index } = this.#parts
    if (!this.#repositories.has(repository))
      this.#repositories.set(repository, { known: (await index.get(REPOSITORIES, repository)) !== undefined })
    await this.#takeBlobs(one, read.manifest)
    const tags = await this.#freeTags(one)
    await this.#manifests.keep(repository, read, await this.#timeOf(one), async batch => {
      // Before the plugins: what is mirrored is listed by its own rules.
      if (one.mirror !== undefined && !this.#repositories.get(repository)?.known)
        batch.put(MIRRORED, [repository], { mirror: one.mirror })
      for (const tag of tags) await setTag(batch, repository, tag, { digest })
    })
    this.#tags += tags.length
    return true
  }

  /** An older one, which clients or a user's manifest may still need; the newest is there by now. */
  async #putComposed({ repository, digest }: LayoutManifest, { bytes, manifest }: Pushed): Promise<false> {
    const { index } = this.#parts
    if (manifest.kind === 'index' && (await index.get(REPOSITORIES, repository)))
      await changeRepositories(index, [repository], async batch => {
        if (!(await batch.get(MANIFESTS, repository, digest))) putIndex(batch, [repository, digest], bytes)
      })
    return false
  }

  async #takeBlobs(one: LayoutManifest, manifest: Manifest): Promise<void> {
    // Of a mirrored repository only what was pulled is here, and where the policy says so, of any other as well.
    const sparse = one.mirror !== undefined || this.#parts.policy.sparseManifests
    for (const { digest, mediaType } of distinct(blobsOf(manifest))) {
      // An index may name a manifest by a media type that no manifest has.
      if (manifest.kind === 'index' && (await this.#isListed(one.repository, digest))) continue
      const why = isDigest(digest) ? await this.#take(one.repository, digest) : 'missing'
      if (why && !(why === 'missing' && (sparse || isNonDistributable(mediaType))))
        this.#fail(one, digest as Digest, why)
    }
    if (sparse) return
    for (const { digest } of distinct(childrenOf(manifest)))
      if (!(await this.#isListed(one.repository, digest))) this.#fail(one, digest as Digest, 'missing')
  }

  /** Whether the manifest is in the layout, or here. */
  async #isListed(repository: Repository, digest: string): Promise<boolean> {
    if (this.#listed.has(keyOf(repository, digest))) return true
    return (await this.#parts.index.get(MANIFESTS, repository, digest)) !== undefined
  }

  /** Lets the repository hold the blob; answers why that is not possible. */
  #take(repository: Repository, digest: Digest): Promise<string | undefined> {
    const { index, store } = this.#parts
    return keepingBytes(index, [digest], async () => {
      let size = (await store.stat(digest))?.size
      if (size === undefined) {
        const blob = await this.#layout.open(digest)
        if (!blob) return 'missing'
        try {
          await storeStream(store, blob.bytes, digest, blob.size)
        } catch (error) {
          if (error instanceof RegistryError && error.error === 'DIGEST_INVALID') return 'damaged'
          if (UNREADABLE.has(errno(error))) return 'unreadable'
          throw error
        }
        size = blob.size
      }
      await this.#blobs.keep(repository, digest, size)
      if (!this.#taken.has(digest)) this.#bytes += size
      this.#taken.add(digest)
      return undefined
    })
  }

  /** Those of its tags that are not at another manifest here. */
  async #freeTags({ repository, digest, tags }: LayoutManifest): Promise<Tag[]> {
    const free: Tag[] = []
    for (const tag of tags) {
      const here = await this.#parts.index.get(TAGS, repository, tag)
      if (!here || here.composed || here.digest === digest || this.#options.overwrite) free.push(tag)
      else this.#kept.push(`${repository}:${tag}`)
    }
    return free
  }

  /** When it was first pushed: as the registry knows, as the layout says but not ahead of the clock, or now. */
  async #timeOf({ repository, digest, pushed }: LayoutManifest): Promise<bigint> {
    const { index, clock } = this.#parts
    const here = await index.get(MANIFESTS, repository, digest)
    if (here && !(await index.get(COMPOSED, repository, digest))) return BigInt(here.pushed)
    const now = clock.now()
    return pushed !== undefined && pushed < now ? pushed : now
  }

  #fail({ repository }: LayoutManifest, digest: Digest, why: string): false {
    this.#failed.push({ digest, repository, why })
    return false
  }
}

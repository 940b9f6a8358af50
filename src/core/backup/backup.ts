import type { LayoutWriter } from '../../archive/contract.ts'
import { errno } from '../../lib/errno.ts'
import { algorithmOf, type Digest, digestOf } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import { type LayoutEntry, layoutIndex } from '../../oci/layout.ts'
import type { Repository } from '../../oci/name.ts'
import type { BlobHandle, BlobStore } from '../../store/contract.ts'
import { UNREADABLE } from '../scrub.ts'
import type { BackupRow } from './backup-rows.ts'

/** A blob or manifest that should be in the backup, and that the registry itself has no more. */
export interface Lacking {
  readonly digest: Digest
  /** One that needs it. */
  readonly repository: Repository
  /** Lost: it is not there, or damaged. */
  readonly why: 'lost' | 'unreadable'
}

export interface BackedUp {
  readonly repositories: number
  /** Manifests and tags that users pushed. */
  readonly manifests: number
  readonly tags: number
  /** The blobs that they need, and those of them that were not in the layout before; in bytes. */
  readonly blobs: number
  readonly bytes: number
  readonly newBlobs: number
  readonly newBytes: number
  readonly lacking: readonly Lacking[]
}

interface Needed {
  readonly size: number
  readonly repository: Repository
}

/** The medium, or the rot on it, broke off a blob on its way out of the store. */
class ReadFailure extends Error {}

/**
 * Writes the manifests of one moment, and the blobs that they need, to a layout.
 *
 * Rows come first, then the blobs, while the registry goes on. Garbage collection leaves them for a grace period, but a
 * client may delete a blob, or the grace be short. So where one is missing the rows are taken anew, and what was copied
 * stays: what the last rows need is in the layout then, or is lost in the registry itself.
 */
export class Backup {
  readonly #rows: () => AsyncIterable<BackupRow>
  readonly #store: BlobStore
  readonly #writer: LayoutWriter
  readonly #progress: (done: number, of: number) => void
  readonly #added = { newBlobs: 0, newBytes: 0 }

  /** `progress` hears of bytes that are in the layout, and of how many there will be. */
  constructor(
    rows: () => AsyncIterable<BackupRow>,
    store: BlobStore,
    writer: LayoutWriter,
    progress: (done: number, of: number) => void = () => {},
  ) {
    this.#rows = rows
    this.#store = store
    this.#writer = writer
    this.#progress = progress
  }

  /** `scope` are the repositories that the rows are of, none for all of them. */
  async run(scope: readonly string[]): Promise<BackedUp> {
    const known = new Set<Digest>()
    while (true) {
      const { entries, needed, lacking, ...counts } = await this.#takeRows()
      const bytes = [...needed.values()].reduce((sum, { size }) => sum + size, 0)
      lacking.push(...(await this.#copy(needed, bytes)))
      if (lacking.some(({ digest }) => !known.has(digest))) {
        for (const { digest } of lacking) known.add(digest)
        continue
      }
      await this.#writer.finish(layoutIndex(entries, scope))
      return { ...counts, blobs: needed.size, bytes, ...this.#added, lacking }
    }
  }

  async #takeRows() {
    const entries: LayoutEntry[] = []
    const needed = new Map<Digest, Needed>()
    const lacking: Lacking[] = []
    const repositories = new Set<Repository>()
    let [manifests, tags] = [0, 0]
    for await (const row of this.#rows()) {
      const { repository, digest } = row
      const bytes = Buffer.from(row.text ?? '')
      if (digestOf(bytes, algorithmOf(digest)) !== digest) {
        lacking.push({ digest, repository, why: 'lost' })
        continue
      }
      if (!(await this.#writer.has(digest, bytes.length)))
        await this.#writer.put(digest, bytes.length, once(bytes))
      for (const { digest, size } of row.blobs)
        if (!needed.has(digest)) needed.set(digest, { size, repository })
      const own = entriesOf(row, bytes.length)
      entries.push(...own)
      repositories.add(repository)
      if (!row.composed) manifests++
      tags += own.filter(({ tag, composed }) => tag && !composed).length
    }
    return { entries, needed, lacking, repositories: repositories.size, manifests, tags }
  }

  async #copy(needed: ReadonlyMap<Digest, Needed>, bytes: number): Promise<Lacking[]> {
    const lacking: Lacking[] = []
    let done = 0
    for (const [digest, { size, repository }] of needed) {
      const why = await this.#copyBlob(digest, size)
      if (why) lacking.push({ digest, repository, why })
      done += size
      this.#progress(done, bytes)
    }
    return lacking
  }

  /** Answers why it could not be had. */
  async #copyBlob(digest: Digest, size: number): Promise<Lacking['why'] | undefined> {
    if (await this.#writer.has(digest, size)) return undefined
    try {
      const whole = !this.#writer.forGood || (await reading(() => this.#store.verify(digest)))
      const blob = whole && (await reading(() => this.#store.open(digest)))
      if (!blob) return 'lost'
      await this.#writer.put(digest, blob.size, bytesOf(blob))
      this.#added.newBlobs++
      this.#added.newBytes += blob.size
      return undefined
    } catch (error) {
      if (!(error instanceof ReadFailure)) throw error
      const { cause } = error
      if (cause instanceof RegistryError && cause.error === 'BLOB_UNKNOWN') return 'lost'
      if (UNREADABLE.has(errno(cause))) return 'unreadable'
      throw cause
    }
  }
}

/** One for each tag; a manifest without a tag of a user's has one more, which says whose it is. */
function entriesOf(
  { repository, digest, mediaType, pushed, composed, tags, mirror }: BackupRow,
  size: number,
): LayoutEntry[] {
  const entry: LayoutEntry = { repository, digest, mediaType, size, mirror }
  const own: LayoutEntry = composed ? { ...entry, composed } : { ...entry, pushed: BigInt(pushed) }
  const named = tags.map(({ tag, composed }) => (composed ? { ...entry, tag, composed } : { ...own, tag }))
  const known = tags.some(tag => tag.composed === composed)
  return known ? named : [own, ...named]
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** What fails here is the store's fault; anything else is the layout's. */
async function reading<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw new ReadFailure('a blob could not be read', { cause })
  }
}

async function* bytesOf(blob: BlobHandle): AsyncGenerator<Uint8Array> {
  try {
    yield* blob.read()
  } catch (cause) {
    throw new ReadFailure('a blob could not be read', { cause })
  }
}

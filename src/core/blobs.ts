import { Batch } from '../index/batch.ts'
import { HOLDERS, LINKS, type LinkRow } from '../index/tables.ts'
import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Repository } from '../oci/name.ts'
import type { BlobHandle, Upload } from '../store/contract.ts'
import { changeRepositories, keepingBytes } from './changes.ts'
import { checkPush } from './mirror/mirrored.ts'
import type { Parts } from './parts.ts'

/** Blobs as a repository holds them; the bytes are stored once however many repositories do. */
export class Blobs {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Size in bytes. Who asks may leave out pushing the blob, so it is kept for a while. Throws `BLOB_UNKNOWN`. */
  async stat(repository: Repository, digest: Digest): Promise<number> {
    const link = await this.#link(repository, digest)
    // A storage that takes no writes loses no blobs either.
    const needed = link?.unused ? await this.#need(repository, digest).catch(() => link) : link
    if (needed) return needed.size
    throw unknown(digest)
  }

  /** Throws `BLOB_UNKNOWN` where the bytes of such a size are gone, though held: whoever has them shall push them again. */
  async check(digest: Digest, size: number): Promise<void> {
    if ((await this.#parts.store.stat(digest))?.size !== size) throw unknown(digest)
  }

  /** Opens a blob of that size, which a repository holds. Throws as `check`. */
  async open(digest: Digest, size: number): Promise<BlobHandle> {
    const handle = await this.#parts.store.open(digest, size)
    if (handle) return handle
    throw unknown(digest)
  }

  /**
   * Lets the repository hold a blob of another one; of any other, where `from` names none.
   * False where there is no such blob to take. Throws `DENIED`.
   */
  async mount(repository: Repository, digest: Digest, from?: Repository): Promise<boolean> {
    const { index, store } = this.#parts
    await checkPush(index, this.#parts.mirrors, repository)
    return keepingBytes(index, [digest], async () => {
      const holders = from ? [] : await index.page(HOLDERS, [digest], { limit: 1 })
      const holder = from ?? holders[0]?.key[1]
      const link = holder && (await index.get(LINKS, holder, digest))
      if (!link || (await store.stat(digest))?.size !== link.size) return false
      await this.keep(repository, digest, link.size)
      return true
    })
  }

  /** Makes what is staged a blob of the repository. Throws `DIGEST_INVALID`; the upload is then still there. */
  async commit(repository: Repository, upload: Upload, digest: Digest): Promise<void> {
    await keepingBytes(this.#parts.index, [digest], async () => {
      const { size } = await upload.commit(digest)
      await this.keep(repository, digest, size)
    })
  }

  /** Notes that the repository holds the blob, and that somebody needs it. Inside of `keepingBytes`, once they are durable. */
  async keep(repository: Repository, digest: Digest, size: number): Promise<void> {
    const { index } = this.#parts
    const link = await this.#link(repository, digest)
    if (link && !link.unused) return
    const hold = async (batch: Batch) => keepBlob(batch, repository, digest, size)
    // A link that is noted as unused may go at any moment, and not behind our back; a new one is nobody else's.
    if (link) return changeRepositories(index, [repository], hold)
    const batch = new Batch(index)
    await hold(batch)
    await batch.apply()
  }

  /** The durable link. Its note may be on its way: a grace period begins when it is noted, not when that is durable. */
  async #link(repository: Repository, digest: Digest): Promise<LinkRow | undefined> {
    const { index } = this.#parts
    const link = await index.get(LINKS, repository, digest)
    if (!link || link.unused) return link
    const latest = await index.latest.get(LINKS, repository, digest)
    return latest?.unused ? latest : link
  }

  /** Takes garbage collection's note off the link, if that is still there. */
  async #need(repository: Repository, digest: Digest): Promise<LinkRow | undefined> {
    let link: LinkRow | undefined
    await changeRepositories(this.#parts.index, [repository], async batch => {
      link = await batch.get(LINKS, repository, digest)
      if (link?.unused) keepBlob(batch, repository, digest, link.size)
    })
    return link
  }

  /** The repository lets go of the blob; its bytes go when nobody holds them. Throws `BLOB_UNKNOWN`. */
  async delete(repository: Repository, digest: Digest): Promise<void> {
    await changeRepositories(this.#parts.index, [repository], async batch => {
      if (!(await batch.get(LINKS, repository, digest))) throw unknown(digest)
      dropBlob(batch, repository, digest)
    })
  }
}

/** Rows for a blob that the repository holds. */
export function keepBlob(batch: Batch, repository: Repository, digest: Digest, size: number): void {
  batch.put(LINKS, [repository, digest], { size })
  batch.put(HOLDERS, [digest, repository], true)
}

/** Removes the rows that `keepBlob` puts. */
export function dropBlob(batch: Batch, repository: string, digest: string): void {
  batch.del(LINKS, [repository, digest])
  batch.del(HOLDERS, [digest, repository])
}

function unknown(digest: Digest): RegistryError {
  return new RegistryError('BLOB_UNKNOWN', { detail: { digest } })
}

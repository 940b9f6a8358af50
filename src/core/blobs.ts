import { Batch } from '../index/batch.ts'
import { HOLDERS, LINKS } from '../index/tables.ts'
import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Repository } from '../oci/name.ts'
import type { BlobHandle } from '../store/contract.ts'
import { changeRepositories } from './changes.ts'
import type { Parts } from './parts.ts'

/** Blobs as a repository holds them; the bytes are stored once however many repositories do. */
export class Blobs {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Size in bytes. Throws `BLOB_UNKNOWN`. */
  async stat(repository: Repository, digest: Digest): Promise<number> {
    const link = await this.#parts.index.get(LINKS, repository, digest)
    if (link) return link.size
    throw unknown(digest)
  }

  /** Throws `BLOB_UNKNOWN`. */
  async open(repository: Repository, digest: Digest): Promise<BlobHandle> {
    const link = await this.#parts.index.get(LINKS, repository, digest)
    const handle = link && (await this.#parts.store.open(digest))
    if (handle) return handle
    throw unknown(digest)
  }

  /**
   * Lets the repository hold a blob of another one; of any other, where `from` names none.
   * False where there is no such blob to take.
   */
  async mount(repository: Repository, digest: Digest, from?: Repository): Promise<boolean> {
    const { index, store } = this.#parts
    const [holder] = from
      ? [await index.get(HOLDERS, digest, from)]
      : await index.page(HOLDERS, [digest], { limit: 1 })
    const blob = holder && (await store.stat(digest))
    if (!blob) return false
    await this.keep(repository, digest, blob.size)
    return true
  }

  /** Notes that the repository holds the blob, which is durable already. */
  async keep(repository: Repository, digest: Digest, size: number): Promise<void> {
    const { index } = this.#parts
    if (await index.get(LINKS, repository, digest)) return
    const batch = new Batch(index)
    keepBlob(batch, repository, digest, size)
    await batch.apply()
  }

  /** The repository lets go of the blob; its bytes go when nobody holds them. Throws `BLOB_UNKNOWN`. */
  async delete(repository: Repository, digest: Digest): Promise<void> {
    await changeRepositories(this.#parts.index, [repository], async batch => {
      await this.stat(repository, digest)
      batch.del(LINKS, [repository, digest])
      batch.del(HOLDERS, [digest, repository])
    })
  }
}

/** Rows for a blob that the repository holds. */
export function keepBlob(batch: Batch, repository: Repository, digest: Digest, size: number): void {
  batch.put(LINKS, [repository, digest], { size })
  batch.put(HOLDERS, [digest, repository], true)
}

function unknown(digest: Digest): RegistryError {
  return new RegistryError('BLOB_UNKNOWN', { detail: { digest } })
}

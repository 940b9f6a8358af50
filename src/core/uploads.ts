import { createHash, randomUUID } from 'node:crypto'
import { type Algorithm, algorithmOf, type Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Repository } from '../oci/name.ts'
import type { Upload } from '../store/contract.ts'
import type { Blobs } from './blobs.ts'
import { checkPush } from './mirror/mirrored.ts'
import type { Parts } from './parts.ts'

/** What a client sends of a blob. */
export interface Chunk {
  readonly body: AsyncIterable<Uint8Array>
  /** The offset at which the chunk says that it begins, in bytes. */
  readonly at?: number | undefined
}

/** Upload sessions. Their state is the staged bytes alone, so a session outlives a restart. */
export class Uploads {
  readonly #parts: Parts
  readonly #blobs: Blobs

  constructor(parts: Parts, blobs: Blobs) {
    this.#parts = parts
    this.#blobs = blobs
  }

  /** Opens a session; the id is the client's handle on it, in this repository only. Throws `DENIED`. */
  async begin(repository: Repository, algorithm?: Algorithm): Promise<string> {
    await checkPush(this.#parts.index, this.#parts.mirrors, repository)
    const session = randomUUID()
    await this.#parts.store.begin(stagedId(repository, session), algorithm)
    return session
  }

  /** Bytes received so far. Throws `BLOB_UPLOAD_UNKNOWN`. */
  async size(repository: Repository, session: string): Promise<number> {
    return (await this.#resume(repository, session)).size
  }

  /** Takes a chunk; answers the bytes received so far. Throws `BLOB_UPLOAD_UNKNOWN`, `BLOB_UPLOAD_OUT_OF_ORDER`, `BLOB_TOO_LARGE`. */
  async append(repository: Repository, session: string, chunk: Chunk): Promise<number> {
    const upload = await this.#resume(repository, session)
    await this.#append(upload, chunk)
    return upload.size
  }

  /**
   * Takes the last chunk and makes the whole a blob of the repository.
   * Throws as `append` does, and `DIGEST_INVALID`; the session then goes on.
   */
  async finish(repository: Repository, session: string, chunk: Chunk, digest: Digest): Promise<void> {
    const upload = await this.#resume(repository, session)
    await upload.hold(() => this.#finish(repository, upload, chunk, digest))
  }

  /** A whole blob in one request. Throws `DIGEST_INVALID`, `BLOB_TOO_LARGE`; nothing is left behind then. */
  async whole(repository: Repository, body: AsyncIterable<Uint8Array>, digest: Digest): Promise<void> {
    const { index, mirrors, store } = this.#parts
    await checkPush(index, mirrors, repository)
    await store.stage(randomUUID(), algorithmOf(digest), upload =>
      this.#finish(repository, upload, { body }, digest),
    )
  }

  /** Throws `BLOB_UPLOAD_UNKNOWN`. */
  async cancel(repository: Repository, session: string): Promise<void> {
    await (await this.#resume(repository, session)).abort()
  }

  async #finish(repository: Repository, upload: Upload, chunk: Chunk, digest: Digest): Promise<void> {
    await this.#append(upload, chunk)
    await this.#blobs.commit(repository, upload, digest)
  }

  #append(upload: Upload, { body, at }: Chunk): Promise<void> {
    const max = this.#parts.policy.maxBlobSize
    return upload.append(body, at === undefined ? { max } : { at, max })
  }

  async #resume(repository: Repository, session: string): Promise<Upload> {
    const upload = UUID.test(session) && (await this.#parts.store.resume(stagedId(repository, session)))
    if (upload) return upload
    throw new RegistryError('BLOB_UPLOAD_UNKNOWN', {
      message: 'no such upload in this repository; it may have expired: begin a new one with POST',
      detail: { session: session.slice(0, 100) },
    })
  }
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** The repository is part of the id of the staged bytes, so a session opened for one is unknown to all others. */
function stagedId(repository: Repository, session: string): string {
  return `${session}-${createHash('sha256').update(repository).digest('hex').slice(0, 32)}`
}

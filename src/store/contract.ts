import type { Readable } from 'node:stream'
import type { Algorithm, Digest } from '../oci/digest.ts'

export interface BlobInfo {
  readonly digest: Digest
  /** In bytes. */
  readonly size: number
  /** When the blob became durable. */
  readonly modified: Date
}

/** Both ends inclusive, in bytes. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** An open blob: it stays readable when the blob is removed meanwhile. Close it, or read it to its end. */
export interface BlobHandle {
  readonly size: number
  /** All of them, where they are in memory already. */
  readonly bytes?: Buffer
  /** Only one range can be read, once, because the bytes come from elsewhere and are not kept. */
  readonly isTransfer?: true
  /**
   * The bytes, or those of a range inside the blob. Reading to the end, or destroying the stream, closes the handle.
   * `chunkSize` is called before each read with the bytes that are left, and returns the most that the next chunk may have.
   * With `keepOpen` the handle stays open, so that further ranges can be read after the stream has closed.
   */
  read(range?: ByteRange, chunkSize?: (left: number) => number, keepOpen?: boolean): Readable
  close(): Promise<void>
}

export interface AppendOptions {
  readonly at?: number
  readonly max: number
  readonly onStaged?: (size: number) => void
}

/**
 * Bytes on their way in; nothing of them shows as a blob before `commit`.
 * One request at a time is at work on it: `append`, `digest` and `commit` throw `BLOB_UPLOAD_OUT_OF_ORDER`
 * while another one is, and `BLOB_UPLOAD_UNKNOWN` once it was committed or aborted.
 */
export interface Upload {
  readonly id: string
  /** Bytes staged by the appends that have ended; only grows. */
  readonly size: number
  /** What the work does with this upload costs less in it: its file is opened once. */
  hold<T>(work: () => Promise<T>): Promise<T>
  /**
   * Adds the body. With `at`, only where `size === at`.
   * `onStaged` hears of every write how much is staged; then what has come is written also when the body pauses.
   * Throws `BLOB_UPLOAD_OUT_OF_ORDER` (the body is not touched), `BLOB_TOO_LARGE` past `max` bytes in all (nothing of
   * the body stays), `STORAGE_FULL`, `READ_ONLY`; where the body breaks off, what came in stays staged and its error is thrown.
   */
  append(body: AsyncIterable<Uint8Array>, options: AppendOptions): Promise<void>
  /** Of all that is staged; by another algorithm, or after a restart, by reading it again. */
  digest(algorithm?: Algorithm): Promise<Digest>
  /** What is staged, to look at before commit. */
  read(): Readable
  /**
   * For reading along while bytes come in, also past commit and abort: a blob that will have that size. `arrived`
   * waits for the byte at a position, and answers up to where the range that ends there may be read.
   * Undefined once it was committed or aborted.
   */
  follow(
    size: number,
    arrived: (position: number, end: number) => Promise<number>,
  ): Promise<BlobHandle | undefined>
  /**
   * Publishes the bytes, durable when it resolves (file and directory synced); the same blob twice is fine.
   * Throws `DIGEST_INVALID` where the bytes are others; the upload is then still there.
   */
  commit(expected: Digest): Promise<BlobInfo>
  /** Gives the staged bytes up. */
  abort(): Promise<void>
}

/** Content by digest. Absence is `undefined`; errors of the medium are thrown. */
export interface BlobStore {
  /** A blob that is found damaged is absent; it costs reading a small one that was not verified lately. */
  stat(digest: Digest): Promise<BlobInfo | undefined>
  /**
   * Opens the blob. Bytes that leave the handle are those that the digest tells: a blob that is damaged is `undefined`,
   * or its stream fails with `BLOB_UNKNOWN` before its last byte; from then on it is absent until it is pushed again.
   * `size`: what it should have in bytes, where that is known; a small one is then read whole at once.
   */
  open(digest: Digest, size?: number): Promise<BlobHandle | undefined>
  /**
   * Opens a staged upload under an id of the caller's (`[a-z0-9-]{1,128}`), hashed on the way by `algorithm`. One that is
   * `held` costs less: its file is opened once, and stays open until commit or abort, so one of them must be called.
   */
  begin(id: string, algorithm?: Algorithm, held?: boolean): Promise<Upload>
  /**
   * Runs the work on an upload as `begin` opens one, and holds it meanwhile. Where the work fails, the upload is aborted
   * and its error thrown.
   */
  stage<T>(id: string, algorithm: Algorithm, work: (upload: Upload) => Promise<T>): Promise<T>
  /** The staged upload of that id, also one from before a restart. */
  resume(id: string): Promise<Upload | undefined>
  /** True where there was such a blob. */
  remove(digest: Digest): Promise<boolean>
  /** In the order of their digests, from behind that one. */
  list(after?: Digest): AsyncIterable<BlobInfo>
  /**
   * Reads the blob whole, telling `pace` of every part: false where it is damaged, and absent from then on;
   * undefined where there is none.
   */
  verify(digest: Digest, pace?: (bytes: number) => Promise<void>): Promise<boolean | undefined>
  /** Gives up staged uploads without a write since then; answers how many. */
  expireUploads(olderThan: Date): Promise<number>
  /** Throws `STORAGE_FULL` or `READ_ONLY` where no new content is taken; cheap enough for every request. */
  admit(): Promise<void>
  /** Throws, saying why, if blobs cannot be read; cheap enough for a health check. */
  checkReads(): Promise<void>
  /** Throws `READ_ONLY` or `STORAGE_FULL`, saying why and since when, if the storage takes no content; as cheap. */
  check(): Promise<void>
}

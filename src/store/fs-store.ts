import { constants, type Stats } from 'node:fs'
import { join } from 'node:path'
import { errno, orAbsent } from '../lib/errno.ts'
import type { Fs } from '../lib/file-system.ts'
import { readWhole } from '../lib/whole-file.ts'
import { type Algorithm, type Digest, isDigest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import { storageError } from '../oci/storage-error.ts'
import type { BlobHandle, BlobInfo, BlobStore, Upload } from './contract.ts'
import { DurableDisk } from './durable.ts'
import { FreeSpace } from './free-space.ts'
import { FsBlob } from './fs-blob.ts'
import type { FsParts } from './fs-parts.ts'
import { FsUpload } from './fs-upload.ts'
import { type Damage, Inspector } from './inspector.ts'
import { isUploadId, Layout } from './layout.ts'
import { checkLayout } from './layout-version.ts'
import { MOST_WHOLE, WholeBlob } from './whole-blob.ts'

export interface FsStoreOptions {
  readonly fs?: Fs
  /** For how long a blob is good that was read whole and found right, in milliseconds; Infinity: blobs are not verified. */
  readonly verifyEvery?: number
  /** Bytes that uploads leave free. */
  readonly minFreeSpace?: number
  /** Whether damaged files are moved to `quarantine/`; otherwise they stay in their place, and are not served either. */
  readonly quarantine?: boolean
  /** Why nothing can be written there, see read-only.ts. */
  readonly readOnly?: RegistryError | undefined
  /** Hears of every damaged blob. */
  readonly onDamage?: (damage: Damage) => void
}

const WEEK = 7 * 86_400_000

/** Blobs as files of one folder tree. */
export class FsBlobStore implements BlobStore {
  readonly #parts: FsParts
  readonly #disk: DurableDisk
  readonly #layout: Layout
  /** One object an upload, so that two requests for it see each other; an entry that is lost costs a second hashing. */
  readonly #live = new Map<string, FsUpload>()

  private constructor(parts: FsParts) {
    this.#parts = parts
    this.#disk = parts.disk
    this.#layout = parts.layout
  }

  /**
   * Opens the store in that folder, made where missing. No blob is looked at, however many there are.
   * Throws where a newer program has laid the folder out.
   */
  static async open(
    root: string,
    {
      fs,
      verifyEvery = WEEK,
      minFreeSpace = 0,
      quarantine = true,
      readOnly,
      onDamage = () => {},
    }: FsStoreOptions = {},
  ): Promise<FsBlobStore> {
    const disk = new DurableDisk(fs, readOnly)
    const layout = new Layout(root)
    if (readOnly) await checkLayout(disk, layout.version)
    else await makeFolders(disk, layout)
    const space = new FreeSpace(disk.fs, layout.root, minFreeSpace)
    const inspector = new Inspector(disk, layout, { every: verifyEvery, quarantine, report: onDamage })
    await inspector.recall()
    return new FsBlobStore({ disk, layout, space, inspector })
  }

  /** Writes down which large blobs were found right, so that a restart does not read them again for each range. */
  async remember(): Promise<void> {
    await this.#parts.inspector.remember()
  }

  async stat(digest: Digest): Promise<BlobInfo | undefined> {
    const stats = await orAbsent(this.#disk.fs.stat(this.#layout.blob(digest)))
    if (!stats) return undefined
    if (!this.#parts.inspector.knows(digest, stats)) {
      const handle = await this.open(digest, stats.size)
      if (!handle) return undefined
      await handle.close()
    }
    return infoOf(digest, stats)
  }

  async open(digest: Digest, size?: number): Promise<BlobHandle | undefined> {
    const path = this.#layout.blob(digest)
    const { inspector } = this.#parts
    if (size !== undefined && size <= MOST_WHOLE) {
      const whole = await orAbsent(readWhole(this.#disk.fs, path, size))
      if (whole) return WholeBlob.of(digest, whole, inspector)
    }
    const file = await orAbsent(this.#disk.fs.open(path, 'r'))
    return file && (await FsBlob.of(digest, file, inspector))
  }

  async begin(id: string, algorithm: Algorithm = 'sha256', held = false): Promise<Upload> {
    const upload = await this.#admitted(id, algorithm)
    await this.#create(upload, held)
    return upload
  }

  async stage<T>(id: string, algorithm: Algorithm, work: (upload: Upload) => Promise<T>): Promise<T> {
    const upload = await this.#admitted(id, algorithm)
    return upload.hold(async () => {
      await this.#create(upload)
      try {
        return await work(upload)
      } catch (error) {
        // What went wrong first is what is told.
        await upload.abort().catch(() => {})
        throw error
      }
    })
  }

  async resume(id: string): Promise<Upload | undefined> {
    if (!isUploadId(id)) return undefined
    const upload = this.#session(id)
    return (await upload.refresh()) ? upload : undefined
  }

  async remove(digest: Digest): Promise<boolean> {
    this.#disk.assertWritable()
    try {
      await this.#disk.remove(this.#layout.blob(digest))
      return true
    } catch (error) {
      if (errno(error) === 'ENOENT') return false
      throw storageError(error)
    }
  }

  async *list(after = ''): AsyncGenerator<BlobInfo> {
    for (const algorithm of this.#layout.algorithms) {
      for (const shard of this.#layout.shards) {
        // `~` sorts behind all hex digits: no digest of this shard comes after that one.
        if (`${algorithm}:${shard}~` < after) continue
        // A copy on a read-only disk may lack empty folders.
        const names =
          (await orAbsent(this.#disk.fs.readdir(join(this.#layout.blobs(algorithm), shard)))) ?? []
        for (const name of names.sort()) {
          const digest = `${algorithm}:${name}`
          if (!name.startsWith(shard) || digest <= after || !isDigest(digest)) continue
          const stats = await orAbsent(this.#disk.fs.stat(this.#layout.blob(digest)))
          if (stats) yield infoOf(digest, stats)
        }
      }
    }
  }

  async expireUploads(olderThan: Date): Promise<number> {
    const lasting = Date.now() - olderThan.getTime()
    let expired = 0
    for (const id of await this.#disk.fs.readdir(this.#layout.uploads)) {
      const stats = await orAbsent(this.#disk.fs.stat(this.#layout.upload(id)))
      // Only files are uploads: a folder that a user has put there stays.
      if (!isUploadId(id) || !stats?.isFile()) continue
      if (this.#live.get(id)?.isActive(lasting)) continue
      // One from the far future was written when the clock was wrong.
      if (stats.mtime >= olderThan && stats.mtimeMs - Date.now() < lasting) continue
      await this.#session(id).abort()
      expired++
    }
    return expired
  }

  async verify(digest: Digest, pace?: (bytes: number) => Promise<void>): Promise<boolean | undefined> {
    const file = await orAbsent(this.#disk.fs.open(this.#layout.blob(digest), 'r'))
    if (!file) return undefined
    try {
      return await this.#parts.inspector.read(digest, file, await file.stat(), pace)
    } finally {
      await file.close()
    }
  }

  async admit(): Promise<void> {
    this.#disk.assertWritable()
    await this.#parts.space.assert()
  }

  async checkReads(): Promise<void> {
    await this.#reachable(this.#layout.blobs(), constants.R_OK | constants.X_OK)
  }

  async check(): Promise<void> {
    this.#disk.assertWritable()
    for (const folder of [this.#layout.blobs(), this.#layout.uploads])
      await this.#reachable(folder, constants.R_OK | constants.W_OK | constants.X_OK)
    await this.#parts.space.check()
  }

  async #reachable(folder: string, mode: number): Promise<void> {
    try {
      await this.#disk.fs.access(folder, mode)
    } catch (error) {
      const meaning = storageError(error)
      if (meaning instanceof RegistryError) throw meaning
      const message = `the storage failed (${errno(error) ?? 'unknown error'}): see whether its folders are there`
      throw new RegistryError('READ_ONLY', { message, cause: error })
    }
  }

  async #admitted(id: string, algorithm: Algorithm): Promise<FsUpload> {
    if (!isUploadId(id)) throw new RegistryError('BLOB_UPLOAD_INVALID')
    await this.admit()
    return this.#upload(id, algorithm)
  }

  async #create(upload: FsUpload, held = false): Promise<void> {
    await upload.create(held)
    this.#live.set(upload.id, upload)
  }

  #session(id: string): FsUpload {
    const live = this.#live.get(id)
    if (live) return live
    const upload = this.#upload(id)
    this.#live.set(id, upload)
    return upload
  }

  #upload(id: string, algorithm: Algorithm = 'sha256'): FsUpload {
    return new FsUpload(id, this.#parts, algorithm, () => this.#live.delete(id))
  }
}

/** All folders are there before the first blob, so that publishing one syncs one folder. */
async function makeFolders(disk: DurableDisk, layout: Layout): Promise<void> {
  await disk.makeFolder(layout.root)
  await checkLayout(disk, layout.version)
  await disk.makeFolders(layout.root, ['blobs', 'uploads', 'quarantine'])
  await disk.makeFolders(layout.blobs(), layout.algorithms)
  for (const algorithm of layout.algorithms) await disk.makeFolders(layout.blobs(algorithm), layout.shards)
}

function infoOf(digest: Digest, { size, mtime }: Stats): BlobInfo {
  return { digest, size, modified: mtime }
}

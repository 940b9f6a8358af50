import { constants } from 'node:fs'
import { join } from 'node:path'
import { errno, orAbsent } from '../lib/errno.ts'
import { type Algorithm, type Digest, isDigest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { BlobHandle, BlobInfo, BlobStore, Upload } from './contract.ts'
import { DurableDisk, FILE_MODE, type Fs, readOnly, writeError } from './durable.ts'
import { FsBlob } from './fs-blob.ts'
import { FsUpload } from './fs-upload.ts'
import { isUploadId, Layout } from './layout.ts'

/** Blobs as files of one folder tree. */
export class FsBlobStore implements BlobStore {
  readonly #disk: DurableDisk
  readonly #layout: Layout
  /** One object an upload, so that two requests for it see each other; an entry that is lost costs a second hashing. */
  readonly #live = new Map<string, FsUpload>()

  private constructor(disk: DurableDisk, layout: Layout) {
    this.#disk = disk
    this.#layout = layout
  }

  /** Opens the store in that folder, made where missing. No blob is looked at, however many there are. */
  static async open(root: string, options: { fs?: Fs } = {}): Promise<FsBlobStore> {
    const disk = new DurableDisk(options.fs)
    const layout = new Layout(root)
    // All folders are there before the first blob, so that publishing one syncs one folder.
    await disk.makeFolder(layout.root)
    await disk.makeFolders(layout.root, ['blobs', 'uploads'])
    await disk.makeFolders(layout.blobs(), layout.algorithms)
    for (const algorithm of layout.algorithms) await disk.makeFolders(layout.blobs(algorithm), layout.shards)
    return new FsBlobStore(disk, layout)
  }

  async stat(digest: Digest): Promise<BlobInfo | undefined> {
    const stats = await orAbsent(this.#disk.fs.stat(this.#layout.blob(digest)))
    return stats && { digest, size: stats.size, modified: stats.mtime }
  }

  async open(digest: Digest): Promise<BlobHandle | undefined> {
    const file = await orAbsent(this.#disk.fs.open(this.#layout.blob(digest), 'r'))
    return file && (await FsBlob.of(file))
  }

  async begin(id: string, algorithm: Algorithm = 'sha256'): Promise<Upload> {
    if (!isUploadId(id)) throw new RegistryError('BLOB_UPLOAD_INVALID')
    this.#disk.assertWritable()
    try {
      const file = await this.#disk.fs.open(this.#layout.upload(id), 'wx', FILE_MODE)
      await file.close()
    } catch (error) {
      throw writeError(error)
    }
    return this.#session(id, algorithm)
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
      throw writeError(error)
    }
  }

  async *list(): AsyncGenerator<BlobInfo> {
    for (const algorithm of this.#layout.algorithms) {
      for (const shard of this.#layout.shards) {
        const names = await this.#disk.fs.readdir(join(this.#layout.blobs(algorithm), shard))
        for (const name of names.sort()) {
          const digest = `${algorithm}:${name}`
          const info = name.startsWith(shard) && isDigest(digest) && (await this.stat(digest))
          if (info) yield info
        }
      }
    }
  }

  async expireUploads(olderThan: Date): Promise<number> {
    let expired = 0
    for (const id of await this.#disk.fs.readdir(this.#layout.uploads)) {
      const stats = await orAbsent(this.#disk.fs.stat(this.#layout.upload(id)))
      if (!isUploadId(id) || !stats || stats.mtime >= olderThan || this.#live.get(id)?.busy) continue
      await this.#session(id).abort()
      expired++
    }
    return expired
  }

  async check(): Promise<void> {
    this.#disk.assertWritable()
    try {
      for (const folder of [this.#layout.blobs(), this.#layout.uploads]) {
        await this.#disk.fs.access(folder, constants.R_OK | constants.W_OK | constants.X_OK)
      }
    } catch (error) {
      throw readOnly(error)
    }
  }

  #session(id: string, algorithm: Algorithm = 'sha256'): FsUpload {
    const live = this.#live.get(id)
    if (live) return live
    const upload = new FsUpload(id, this.#disk, this.#layout, algorithm, () => this.#live.delete(id))
    this.#live.set(id, upload)
    return upload
  }
}

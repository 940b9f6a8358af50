import { dirname, join, resolve } from 'node:path'
import { errno, isOutOfSpace, orAbsent } from '../lib/errno.ts'
import { type Fs, fileSystem } from '../lib/file-system.ts'
import type { OpenFile } from '../lib/open-file.ts'
import { RegistryError } from '../oci/errors.ts'
import { storageError } from '../oci/storage-error.ts'

/** Group members may read, so that a backup needs no root; nobody but the registry writes, and others see nothing. */
export const FILE_MODE = 0o640
const FOLDER_MODE = 0o750

/**
 * The order of writes that makes a file durable, here and nowhere else:
 * data sync → rename → sync of the folder.
 *
 * A sync that fails is never retried: the kernel has dropped the bytes and counts the pages as clean, so a second one
 * would succeed and prove nothing (https://wiki.postgresql.org/wiki/Fsync_Errors). The disk takes no writes from then on.
 */
export class DurableDisk {
  readonly fs: Fs
  #failure: RegistryError | undefined

  /** `failure`: why it takes no writes from the start. */
  constructor(fs: Fs = fileSystem, failure?: RegistryError) {
    this.fs = fs
    this.#failure = failure
  }

  /** Throws `READ_ONLY` once a sync has failed, or if the disk took no writes from the start. */
  assertWritable(): void {
    if (this.#failure) throw this.#failure
  }

  /** Gives the open file its final name, replacing what has it; when it resolves, bytes and name survive a power loss. */
  async publish(file: OpenFile, from: string, to: string): Promise<void> {
    try {
      await this.datasync(file)
    } catch (error) {
      await this.fs.unlink(from).catch(() => {})
      throw error
    }
    await this.#change(dirname(to), () => this.fs.rename(from, to))
  }

  /** Brings the bytes of an open file to the medium. Where this fails, what the file holds there is unknown. */
  async datasync(file: OpenFile): Promise<void> {
    try {
      await file.datasync()
    } catch (error) {
      // Network file systems tell only here that the space is used up: the disk is sound, this file is lost.
      throw isOutOfSpace(error) ? storageError(error) : this.#fail(error)
    }
  }

  /** A new, empty file under a name that survives a power loss. Where this fails, nothing has the name, or all writes end. */
  async create(path: string): Promise<OpenFile> {
    const staged = join(dirname(path), 'new')
    const file = await this.fs.open(staged, 'w', FILE_MODE)
    try {
      await this.publish(file, staged, path)
      return file
    } catch (error) {
      await file.close().catch(() => {})
      throw error
    }
  }

  /** Moves the file into another folder, durably; what has the name there is replaced. */
  async move(from: string, to: string): Promise<void> {
    // The new name is synced first: a crash in between may leave both names, never none.
    await this.#change(dirname(from), () => this.#change(dirname(to), () => this.fs.rename(from, to)))
  }

  /** Removes the name, durably. Throws ENOENT where there is none. */
  async remove(path: string): Promise<void> {
    await this.#change(dirname(path), () => this.fs.unlink(path))
  }

  /** Makes the folder and those above it, durably. */
  async makeFolder(path: string): Promise<void> {
    // One by one: the recursive mkdir of Node.js never ends below a folder like /proc, which takes no new names.
    const missing: string[] = []
    for (let at = resolve(path); !(await orAbsent(this.fs.stat(at))); at = dirname(at)) missing.unshift(at)
    for (const folder of missing) {
      await this.#change(dirname(folder), async () => {
        await this.fs.mkdir(folder, { recursive: false, mode: FOLDER_MODE }).catch(unlessThere)
      })
    }
  }

  /**
   * Makes those of the folders that are missing, with one sync. It is made even if none is missing, because a crash may
   * have come before the sync of an earlier start.
   */
  async makeFolders(parent: string, names: readonly string[]): Promise<void> {
    const there = new Set(await this.fs.readdir(parent))
    const missing = names.filter(name => !there.has(name))
    await this.#change(parent, async () => {
      await Promise.all(
        missing.map(name => this.fs.mkdir(join(parent, name), { recursive: true, mode: FOLDER_MODE })),
      )
    })
  }

  async #change(folder: string, change: () => Promise<void>): Promise<void> {
    // Opened first: once the entry has changed, only the sync itself may fail.
    const handle = await this.fs.open(folder, 'r')
    try {
      await change()
      await handle.sync().catch(error => {
        throw this.#fail(error)
      })
    } finally {
      // What could be lost was lost at the sync.
      await handle.close().catch(() => {})
    }
  }

  #fail(error: unknown): RegistryError {
    this.#failure ??= failedForGood(error, new Date())
    return this.#failure
  }
}

/** `READ_ONLY` for good because a sync failed: nothing proves any more what is on the disk. */
function failedForGood(cause: unknown, since: Date): RegistryError {
  return new RegistryError('READ_ONLY', {
    message:
      `the storage failed (${errno(cause) ?? 'unknown error'}) at ${since.toISOString()}; ` +
      'the registry takes no writes until the disk is repaired and the registry started again',
    cause,
  })
}

function unlessThere(error: unknown): void {
  if (errno(error) !== 'EEXIST') throw error
}

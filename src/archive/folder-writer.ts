import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { giveBack } from '../lib/chunk-pool.ts'
import { orAbsent } from '../lib/errno.ts'
import type { OpenFile } from '../lib/open-file.ts'
import { writeAll } from '../lib/write-all.ts'
import type { Digest } from '../oci/digest.ts'
import {
  digestAt,
  INDEX_FILE,
  LAYOUT_FILE,
  layoutDocuments,
  layoutPath,
  parseLayoutIndex,
  sameScope,
} from '../oci/layout.ts'
import { DurableDisk, FILE_MODE } from '../store/durable.ts'
import { LayoutError, type LayoutWriter } from './contract.ts'
import { lockFolder } from './folder-lock.ts'

const ALGORITHMS = ['sha256', 'sha512'] as const

/** What a first backup that was stopped leaves. */
const FIRST = new Set(['blobs', 'lock', LAYOUT_FILE, `${LAYOUT_FILE}.new`, `${INDEX_FILE}.new`])

/** A file on its way to its name. */
const STAGED = '.new'

/**
 * A layout as a folder. What an earlier one has in it is not written again; until `finish` has replaced its index.json it
 * is whole, and what it alone has goes behind that.
 */
export class FolderWriter implements LayoutWriter {
  readonly #folder: string
  readonly #disk = new DurableDisk()
  readonly #content = new Set<Digest>()
  #lock = { release: async () => {} }

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** Throws `LayoutError` where the folder holds anything but an earlier layout of the same repositories. */
  static async open(folder: string, scope: readonly string[]): Promise<FolderWriter> {
    const writer = new FolderWriter(folder)
    await writer.#check(scope)
    await writer.#disk.makeFolder(folder)
    writer.#lock = await lockFolder(folder)
    await writer.#disk.makeFolders(folder, ['blobs'])
    await writer.#disk.makeFolders(join(folder, 'blobs'), ALGORITHMS)
    return writer
  }

  async has(digest: Digest, size: number): Promise<boolean> {
    const stats = await orAbsent(this.#disk.fs.stat(this.#path(digest)))
    const has = stats?.isFile() === true && stats.size === size
    if (has) this.#content.add(digest)
    return has
  }

  async put(digest: Digest, size: number, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#write(this.#path(digest), async file => {
      let written = 0
      for await (const chunk of bytes) {
        written = await writeAll(file, [chunk], written)
        giveBack(chunk)
      }
      if (written !== size) throw new Error(`${digest} has ${written} bytes, and not ${size}`)
    })
    this.#content.add(digest)
  }

  async finish(index: string): Promise<void> {
    for (const [name, bytes] of layoutDocuments(index))
      await this.#write(join(this.#folder, name), file => writeAll(file, [bytes], 0))
    for (const algorithm of ALGORITHMS) {
      for (const name of await readdir(join(this.#folder, 'blobs', algorithm))) {
        const path = `blobs/${algorithm}/${name}`
        const digest = digestAt(path.endsWith(STAGED) ? path.slice(0, -STAGED.length) : path)
        // Also what a crash has left half written; anything else is not ours.
        if (digest && (path.endsWith(STAGED) || !this.#content.has(digest)))
          await this.#disk.fs.unlink(join(this.#folder, path))
      }
    }
    await this.#lock.release()
  }

  async abort(): Promise<void> {
    await this.#lock.release()
  }

  /** The whole file or none has the name, also behind a power loss. */
  async #write(path: string, write: (file: OpenFile) => Promise<unknown>): Promise<void> {
    const staged = `${path}${STAGED}`
    const file = await this.#disk.fs.open(staged, 'w', FILE_MODE)
    try {
      await write(file)
      await this.#disk.publish(file, staged, path)
    } catch (error) {
      await orAbsent(this.#disk.fs.unlink(staged))
      throw error
    } finally {
      await file.close()
    }
  }

  async #check(scope: readonly string[]): Promise<void> {
    const names = (await orAbsent(readdir(this.#folder))) ?? []
    if (names.length === 0) return
    const index = await orAbsent(readFile(join(this.#folder, INDEX_FILE)))
    if (!index && names.every(name => FIRST.has(name))) return
    const before = index && parseLayoutIndex(index).scope
    if (before && sameScope(before, scope)) return
    const what = before
      ? `has a backup of ${before.join(', ') || 'all repositories'}`
      : 'has something else in it'
    throw new LayoutError(`it ${what}; give another folder, or empty this one`)
  }

  #path(digest: Digest): string {
    return join(this.#folder, layoutPath(digest))
  }
}

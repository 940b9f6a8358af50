import { open, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { orAbsent } from '../lib/errno.ts'
import { fileStream } from '../lib/file-stream.ts'
import type { Digest } from '../oci/digest.ts'
import { checkLayoutHeader, INDEX_FILE, LAYOUT_FILE, layoutPath, MAX_INDEX_BYTES } from '../oci/layout.ts'
import { LayoutError, type LayoutReader } from './contract.ts'

/** A layout in a folder. Links are followed, as some tools write them: the digest says whether the bytes are right. */
export class FolderReader implements LayoutReader {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  async index(): Promise<Uint8Array> {
    checkLayoutHeader(await this.#document(LAYOUT_FILE))
    return this.#document(INDEX_FILE)
  }

  async has(digest: Digest): Promise<boolean> {
    return (await sizeOf(join(this.#folder, layoutPath(digest)))) !== undefined
  }

  async open(digest: Digest) {
    const path = join(this.#folder, layoutPath(digest))
    const size = await sizeOf(path)
    return size === undefined ? undefined : { size, bytes: fileStream(() => open(path, 'r'), 0, size) }
  }

  async #document(name: string): Promise<Uint8Array> {
    const path = join(this.#folder, name)
    const size = await sizeOf(path)
    if (size === undefined) throw new LayoutError(`it has no ${name}: it is no OCI image layout`)
    if (size > MAX_INDEX_BYTES) throw new LayoutError(`its ${name} is too large`)
    return readFile(path)
  }
}

/** In bytes, of a regular file; undefined for anything else. */
async function sizeOf(path: string): Promise<number | undefined> {
  const stats = await orAbsent(stat(path))
  return stats?.isFile() ? stats.size : undefined
}

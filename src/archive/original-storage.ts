import type { Dirent } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { orAbsent } from '../lib/errno.ts'

/** The original writes some hundred bytes for each plugin in the file. */
const MAX_META_BYTES = 1024 * 1024

const META = /^([0-9a-f]{64})\.meta$/
const PLUGIN = /^([0-9a-f]{64})\.plugin$/

/** One plugin file of the original server: `{digest}.plugin`, described by `{digest}.meta`. */
export interface OriginalFile {
  /** 64 hex digits, as both files are named. */
  readonly digest: string
  readonly path: string
  readonly signature: string
  /** Naive UTC with up to nine digits, such as `2024-03-22T18:14:53.402258600`. */
  readonly createdAt: string
}

/** A pair of files that cannot be read as the original would. */
export interface UnreadableFile {
  readonly digest: string
  readonly reason: string
}

/** Whether a name in a folder is one that the original server gives. */
function isOriginalName(name: string): boolean {
  return META.test(name) || PLUGIN.test(name)
}

/** The storage folder of the original memflow-registry. It is only read. */
export class OriginalStorage {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /**
   * All its files, oldest first, and the pairs of which one half is missing or unreadable.
   * The order makes an import the same however the file system lists names. Throws if the folder cannot be read.
   */
  async read(): Promise<{ files: OriginalFile[]; unreadable: UnreadableFile[] }> {
    const entries = await readdir(this.#folder, { withFileTypes: true })
    const metas = digestsOf(entries, META)
    const plugins = new Set(digestsOf(entries, PLUGIN))
    const files: OriginalFile[] = []
    const unreadable: UnreadableFile[] = []
    for (const digest of metas) {
      const read = await this.#readMeta(digest)
      if (!plugins.delete(digest)) {
        // The original removes only the binary, and lists the plugin again after a restart.
        unreadable.push({ digest, reason: 'its .plugin file is missing: it was deleted there' })
      } else if ('reason' in read) unreadable.push(read)
      else files.push(read)
    }
    for (const digest of plugins)
      unreadable.push({ digest, reason: 'its .meta file, which has the signature, is missing' })
    // Times of the same precision sort as text; others differ before their fraction ends, or compare as prefixes.
    files.sort((a, b) => compare(a.createdAt, b.createdAt) || compare(a.digest, b.digest))
    return { files, unreadable }
  }

  async #readMeta(digest: string): Promise<OriginalFile | UnreadableFile> {
    try {
      const text = await readBounded(join(this.#folder, `${digest}.meta`))
      if (text === undefined)
        return { digest, reason: `its .meta file is larger than ${MAX_META_BYTES} bytes` }
      const meta: unknown = JSON.parse(text)
      const { signature, created_at: createdAt, digest: inside } = (meta ?? {}) as Record<string, unknown>
      if (typeof signature !== 'string' || typeof createdAt !== 'string' || inside !== digest)
        return { digest, reason: 'its .meta file is not of the original server' }
      return { digest, path: join(this.#folder, `${digest}.plugin`), signature, createdAt }
    } catch (error) {
      return { digest, reason: `its .meta file cannot be read: ${(error as Error).message}` }
    }
  }
}

/** Whether the folder holds files of the original server. False if there is no such folder. */
export async function isOriginalStorage(folder: string): Promise<boolean> {
  return ((await orAbsent(readdir(folder))) ?? []).some(isOriginalName)
}

function digestsOf(entries: readonly Dirent[], pattern: RegExp): string[] {
  return entries.flatMap(entry => (entry.isFile() ? (pattern.exec(entry.name)?.[1] ?? []) : []))
}

/** The text of the file; undefined if it is too large for what it should be. */
async function readBounded(path: string): Promise<string | undefined> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    return size > MAX_META_BYTES ? undefined : await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

import { link, mkdir, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { type Fs, fileSystem } from '../../src/lib/file-system.ts'
import type { File, Image } from './medium.ts'

/**
 * A folder that becomes what a power loss has left, again and again. Whoever works in it does so by `fs`, which syncs
 * nothing and knows which folders are there, so that a thousand images take seconds.
 */
export class Survivor {
  readonly root: string
  readonly fs: Fs
  #folders = new Set([''])
  readonly #files = new Set<string>()

  constructor(root: string) {
    this.root = root
    this.fs = {
      ...fileSystem,
      mkdir: async (path, options) => {
        if (this.#folders.has(this.#below(path))) return undefined
        this.#folders.add(this.#below(path))
        return mkdir(path, options)
      },
      open: async (path, flags, mode) => {
        const handle = await fileSystem.open(path, flags, mode)
        if (String(flags).startsWith('w')) this.#files.add(this.#below(path))
        return Object.assign(handle, { sync: async () => {}, datasync: async () => {} })
      },
      rename: async (from, to) => {
        await fileSystem.rename(from, to)
        this.#files.add(this.#below(to))
      },
    }
  }

  /** Has the files of the image and no others. */
  async become({ folders, files }: Image): Promise<this> {
    await Promise.all(
      [...this.#files].map(path => rm(join(this.root, path), { recursive: true, force: true })),
    )
    this.#files.clear()
    const wanted = new Set(['', ...folders])
    for (const folder of this.#folders)
      if (!wanted.has(folder)) await rm(join(this.root, folder), { recursive: true, force: true })
    for (const folder of folders) if (!this.#folders.has(folder)) await mkdir(join(this.root, folder))
    this.#folders = wanted
    const first = new Map<File, string>()
    for (const [path, { file, bytes }] of files) {
      this.#files.add(path)
      const other = first.get(file)
      if (other) await link(other, join(this.root, path))
      else await writeFile(join(this.root, path), bytes)
      first.set(file, other ?? join(this.root, path))
    }
    return this
  }

  #below(path: string): string {
    return relative(this.root, path)
  }
}

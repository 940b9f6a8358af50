import { orAbsent } from '../lib/errno.ts'
import type { Fs } from '../lib/file-system.ts'
import type { OpenFile } from '../lib/open-file.ts'
import { FILE_MODE } from './durable.ts'

/** The file of an upload, open while somebody is at work on it or holds it. */
export class StagedFile {
  readonly path: string
  readonly #fs: Fs
  #users = 0
  #file: Promise<OpenFile | undefined> | undefined

  constructor(fs: Fs, path: string) {
    this.#fs = fs
    this.path = path
  }

  /** Once it is used in the work, it stays open until that ends. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    this.#users++
    try {
      return await work()
    } finally {
      if (--this.#users === 0) await this.#close()
    }
  }

  /** Throws where there is such a file. */
  create(): Promise<void> {
    return this.hold(async () => {
      this.#file = this.#fs.open(this.path, 'wx+', FILE_MODE)
      await this.#file
    })
  }

  /** The work is given undefined where there is no such file. */
  use<T>(work: (file: OpenFile | undefined) => Promise<T>): Promise<T> {
    return this.hold(async () => {
      this.#file ??= orAbsent(this.#fs.open(this.path, 'r+'))
      return work(await this.#file)
    })
  }

  async #close(): Promise<void> {
    const file = this.#file?.catch(() => undefined)
    this.#file = undefined
    await (await file)?.close()
  }
}

import { orAbsent } from '../lib/errno.ts'
import type { ReadableFile } from '../lib/file-stream.ts'
import type { Fs } from '../lib/file-system.ts'
import type { OpenFile } from '../lib/open-file.ts'
import { FILE_MODE } from './durable.ts'

/** The file of an upload, open while somebody is at work on it or holds it. */
export class StagedFile {
  readonly path: string
  readonly #fs: Fs
  #users = 0
  #held = false
  #file: Promise<OpenFile | undefined> | undefined

  constructor(fs: Fs, path: string) {
    this.#fs = fs
    this.path = path
  }

  /** Whether somebody is at work on it or holds it. */
  get inUse(): boolean {
    return this.#users > 0
  }

  /** Once it is used in the work, it stays open until that ends. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    this.#users++
    try {
      return await work()
    } finally {
      await this.#leave()
    }
  }

  /** Throws if there is such a file. If it is to be `held`, it stays open until `release`. */
  create(held: boolean): Promise<void> {
    return this.hold(async () => {
      this.#file = this.#fs.open(this.path, 'wx+', FILE_MODE)
      await this.#file
      if (!held) return
      this.#held = true
      this.#users++
    })
  }

  /** Ends what `create` began to hold; more than once is fine. */
  async release(): Promise<void> {
    if (!this.#held) return
    this.#held = false
    await this.#leave()
  }

  /** The work is given undefined where there is no such file. */
  use<T>(work: (file: OpenFile | undefined) => Promise<T>): Promise<T> {
    return this.hold(async () => {
      this.#file ??= orAbsent(this.#fs.open(this.path, 'r+'))
      return work(await this.#file)
    })
  }

  /** The file for a reader, which must close it. Throws ENOENT if there is none. */
  async lend(): Promise<ReadableFile> {
    this.#users++
    try {
      this.#file ??= this.#fs.open(this.path, 'r+')
      const file = await this.#file
      if (!file) throw Object.assign(new Error(`ENOENT: ${this.path}`), { code: 'ENOENT' })
      let lent = true
      return {
        read: (...args) => file.read(...args),
        close: async () => {
          if (lent) await this.#leave()
          lent = false
        },
      }
    } catch (error) {
      await this.#leave()
      throw error
    }
  }

  async #leave(): Promise<void> {
    if (--this.#users === 0) await this.#close()
  }

  async #close(): Promise<void> {
    const file = this.#file?.catch(() => undefined)
    this.#file = undefined
    await (await file)?.close()
  }
}

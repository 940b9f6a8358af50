import { dirname, relative } from 'node:path'
import { type Fs, fileSystem } from '../../src/lib/file-system.ts'
import type { OpenFile } from '../../src/lib/open-file.ts'
import type { Edit } from './fates.ts'
import { File, Folder, type Image, Medium } from './medium.ts'

/** Operations of an open file that change it. */
const CHANGES = ['datasync', 'sync', 'truncate', 'writev'] as const

/**
 * The real file system below a folder that is empty or has that image, with a medium that knows what of it a power loss
 * may leave; for `FsBlobStore.open(root, { fs: recording.fs })`. `onChange` is called before and behind every operation
 * that changes something, with its words as FaultyFs has them.
 */
export class RecordingFs {
  readonly fs: Fs
  readonly medium: Medium
  readonly #root: string
  readonly #onChange: (call: string, when: 'before' | 'behind') => Promise<void>

  constructor(
    root: string,
    onChange: (call: string, when: 'before' | 'behind') => Promise<void>,
    image?: Image,
  ) {
    this.#root = root
    this.#onChange = onChange
    this.medium = new Medium(image)
    this.fs = {
      ...fileSystem,
      open: (path, flags, mode) => this.#open(path, flags, mode),
      mkdir: (path, options) => this.#mkdir(path, options),
      rename: (from, to) => this.#rename(from, to),
      unlink: path => this.#unlink(path),
    }
  }

  async #open(path: string, flags: string | number, mode?: number): Promise<OpenFile> {
    const at = this.#below(path)
    if (!String(flags).startsWith('w')) return this.#watch(await fileSystem.open(path, flags, mode), at)
    const handle = await this.#change(
      `open ${at}`,
      () => fileSystem.open(path, flags, mode),
      () => {
        const there = this.medium.at(at)
        if (there instanceof File) there.edits.push({ size: 0 })
        else this.medium.change([at, new File()])
      },
    )
    return this.#watch(handle, at)
  }

  async #mkdir(path: string, options: Parameters<Fs['mkdir']>[1]): Promise<string | undefined> {
    const at = this.#below(path)
    if (this.medium.at(at)) return undefined
    // One at a time: each of them is an operation.
    const first = await this.#mkdir(dirname(path), options)
    await this.#change(
      `mkdir ${at}`,
      () => fileSystem.mkdir(path, options),
      () => this.medium.change([at, new Folder()]),
    )
    return first ?? path
  }

  async #rename(from: string, to: string): Promise<void> {
    const [source, target] = [this.#below(from), this.#below(to)]
    await this.#change(
      `rename ${source} ${target}`,
      () => fileSystem.rename(from, to),
      () => this.medium.change([source, undefined], [target, this.medium.at(source)]),
    )
  }

  async #unlink(path: string): Promise<void> {
    const at = this.#below(path)
    // What fails changes nothing.
    if (!this.medium.at(at)) return fileSystem.unlink(path)
    await this.#change(
      `unlink ${at}`,
      () => fileSystem.unlink(path),
      () => this.medium.change([at, undefined]),
    )
  }

  /** The open file, whose changes the medium hears of, whatever its name is by then. */
  #watch(handle: OpenFile, at: string): OpenFile {
    const node = this.medium.at(at)
    const edit = (edit: Edit) => (node as File).edits.push(edit)
    // A sync is of what was there when it began; all else is done when it has ended.
    const begin: Record<(typeof CHANGES)[number], (...args: never[]) => () => void> = {
      datasync: () => this.medium.datasync(node as File),
      sync: () => this.medium.sync(at),
      truncate: (size: number) => () => edit({ size }),
      writev: (buffers: Uint8Array[], at: number) => () => edit({ at, bytes: Buffer.concat(buffers) }),
    }
    for (const name of CHANGES) {
      const real = handle[name].bind(handle) as (...args: unknown[]) => Promise<unknown>
      const watched = (...args: never[]) => {
        let end = () => {}
        return this.#change(
          `${name} ${at}`,
          () => {
            end = begin[name](...args)
            return real(...args)
          },
          () => end(),
        )
      }
      Object.assign(handle, { [name]: watched })
    }
    return handle
  }

  /** Carries the change out, and records it when it has ended. */
  async #change<T>(call: string, work: () => Promise<T>, record: () => void): Promise<T> {
    await this.#onChange(call, 'before')
    const result = await work()
    record()
    await this.#onChange(call, 'behind')
    return result
  }

  #below(path: string): string {
    const at = relative(this.#root, path) || '.'
    if (at.startsWith('..')) throw new Error(`outside of ${this.#root}: ${path}`)
    return at
  }
}

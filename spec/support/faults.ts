import { relative } from 'node:path'
import { type Fs, fileSystem } from '../../src/lib/file-system.ts'
import type { OpenFile } from '../../src/lib/open-file.ts'

export type Code = 'EINVAL' | 'EMFILE' | 'ENOSPC' | 'EDQUOT' | 'EIO' | 'EROFS'

/** Has a code for a call that is to fail, also by what was given to it. */
type Chooser = (call: string, args: readonly unknown[]) => Code | undefined

/**
 * The real file system, with every call written down and chosen ones made to fail, for
 * `FsBlobStore.open(root, { fs: faulty.fs })`. A call reads `open uploads/x`, `datasync uploads/x`,
 * `rename uploads/x blobs/…`: the operation, of the file system or of an open file, and paths below the root.
 */
export class FaultyFs {
  readonly fs: Fs
  /** What was called, in order. */
  readonly calls: string[] = []
  /** Lets each write take half of its first buffer only, as the kernel may, where that is some bytes. */
  halfWrites = false
  readonly #root: string
  #fault: Chooser = () => undefined

  constructor(root: string) {
    this.#root = root
    this.fs = this.#watch({ ...fileSystem })
  }

  /** Fails each call from now on that begins with these words, but for the first `after` of them. */
  fail(words: string, code: Code, after = 0): this {
    let left = after
    return this.failIf(call => (call.startsWith(words) && --left < 0 ? code : undefined))
  }

  /** Fails the nth call from now, counted from 0, and no other. */
  failNth(n: number, code: Code): this {
    let left = n
    return this.failIf(() => (left-- === 0 ? code : undefined))
  }

  /** Fails each call that the function has a code for. */
  failIf(fault: Chooser): this {
    this.#fault = fault
    return this
  }

  /** No more faults. */
  heal(): void {
    this.#fault = () => undefined
  }

  #watch<T extends object>(target: T, openPath?: string): T {
    return new Proxy(target, {
      get: (_, name) => {
        const member: unknown = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        return async (...args: unknown[]) => {
          const paths = openPath === undefined ? args.flatMap(arg => this.#below(arg)) : [openPath]
          const call = [String(name), ...paths].join(' ')
          this.calls.push(call)
          const code = this.#fault(call, args)
          // A close that fails has closed the file all the same.
          if (code && name !== 'close') throw failure(code, call)
          if (this.halfWrites && name === 'writev') args[0] = half(args[0] as Uint8Array[])
          const result: unknown = await member.apply(target, args)
          if (code) throw failure(code, call)
          return name === 'open' ? this.#watch(result as OpenFile, paths[0] ?? '') : result
        }
      },
    })
  }

  #below(argument: unknown): string[] {
    if (typeof argument !== 'string' || !argument.startsWith(this.#root)) return []
    return [relative(this.#root, argument) || '.']
  }
}

function failure(code: Code, call: string): Error {
  return Object.assign(new Error(`${code}: ${call}`), { code })
}

function half([first = new Uint8Array()]: Uint8Array[]): Uint8Array[] {
  return [first.length < 512 ? first : first.subarray(0, Math.ceil(first.length / 2))]
}

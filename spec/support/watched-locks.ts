import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import type { Analyzer } from '../../src/core/parts.ts'
import { LevelIndex } from '../../src/index/level-index.ts'
import { type Fs, fileSystem } from '../../src/lib/file-system.ts'

/** The locks of changes. Those of garbage collection and of a blob's bytes are held while files are removed. */
const CHANGES = /^(?:plugins$|repository )/

/** Notices what is done with files, and with the analyzer, while a lock of a change is held. */
export class WatchedLocks {
  /** Every call of the file system, as `stat /path` or `datasync`. */
  readonly calls: string[] = []
  /** The calls that were made under a lock, of files and of the analyzer. */
  readonly underLock: string[] = []
  /** At most so many `stat`s were under way at once. */
  mostStats = 0
  readonly fs: Fs = this.#watch(fileSystem)
  readonly #locked = new AsyncLocalStorage<readonly string[]>()
  #stats = 0
  #asked = 0

  /** From now on the work under its locks is watched. */
  watch(index: LevelIndex): LevelIndex {
    const exclusive = index.exclusive.bind(index)
    index.exclusive = (keys, work) => {
      if (!keys.some(key => CHANGES.test(key))) return exclusive(keys, work)
      this.#asked++
      return exclusive(keys, () => this.#locked.run(keys, work))
    }
    return index
  }

  /** Holds the lock until it is released. */
  hold(index: LevelIndex, key: string): () => void {
    let release = () => {}
    this.#asked = 0
    void LevelIndex.prototype.exclusive.call(
      index,
      [key],
      () =>
        new Promise<void>(resolve => {
          release = resolve
        }),
    )
    return () => release()
  }

  /** When a lock of a change was asked for so many times since `hold`. */
  async waiting(times: number): Promise<void> {
    while (this.#asked < times) await turn()
  }

  analyzer(analyzer: Analyzer): Analyzer {
    return {
      examine: (file, owner) => {
        this.#note('examine')
        return analyzer.examine(file, owner)
      },
      unpack: (...request) => {
        this.#note('unpack')
        return analyzer.unpack(...request)
      },
    }
  }

  #note(call: string): void {
    this.calls.push(call)
    const keys = this.#locked.getStore()
    if (keys) this.underLock.push(`${call} under ${keys.join(', ')}`)
  }

  #watch<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (_, name) => {
        const member: unknown = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        return async (...args: unknown[]) => {
          this.#note([name, ...args.filter(arg => typeof arg === 'string')].join(' '))
          const counts = name === 'stat' && args.length > 0
          if (counts) this.mostStats = Math.max(this.mostStats, ++this.#stats)
          try {
            const result: unknown = await member.apply(target, args)
            return name === 'open' ? this.#watch(result as object) : result
          } finally {
            if (counts) this.#stats--
          }
        }
      },
    })
  }
}

import { availableParallelism } from 'node:os'
import type { Readable } from 'node:stream'
import { shared } from '../lib/shared.ts'
import { Turns } from '../lib/turns.ts'
import { RegistryError } from '../oci/errors.ts'
import { PluginError } from '../plugin/error.ts'
import type { Examination } from '../plugin/examine.ts'
import { workerEntry } from './entry.ts'
import { type Limits, Thread } from './thread.ts'
import type { ArchivedPlugin, Unpacked, UnpackOptions } from './unpack.ts'

export interface PoolOptions {
  readonly threads: number
  readonly limits: Limits
  /** Bytes of the files that wait for a thread, and the share of them that one owner may have. */
  readonly waiting: number
  readonly waitingOfOwner: number
  /** What a thread runs. */
  readonly entry: URL
  /**
   * Called with files that are refused as too complex, which says something about the parsers or the machine, and
   * with archives that go past a limit.
   */
  readonly onOverrun: (overrun: { readonly size: number; readonly reason: string }) => void
}

const MIB = 2 ** 20

/** An archive waits without its bytes. It counts so many, so that the number of those that wait is limited too. */
const ARCHIVE_SIZE = MIB

/**
 * The budget is 100 ms, and no known file takes half of that on a machine with nothing else to do. A thread is given
 * up when it takes twenty times the budget, for the machine may be busy, and what is given up would not come back.
 */
const LIMITS: Limits = { time: 2000, memory: 64, start: 30_000 }

interface Job {
  /** Bytes. */
  readonly size: number
  /** Resolves when the thread is free again; rejects, as the caller's promise does, when the work failed. */
  readonly work: (thread: Thread) => Promise<void>
  readonly reject: (error: unknown) => void
}

/**
 * Examines plugins in threads of its own, so that other requests do not wait for it. The threads start with the first
 * plugin; one that dies or overruns its limits is replaced.
 */
export class WorkerAnalyzer {
  readonly #options: PoolOptions
  readonly #threads = new Set<Thread>()
  readonly #idle: Thread[] = []
  readonly #queue = new Turns<Job>()
  #waiting = 0
  #lanes = 0
  #closed = false

  constructor(options: Partial<PoolOptions> = {}) {
    this.#options = {
      // More would only compete with the thread that serves.
      threads: availableParallelism() > 2 ? 2 : 1,
      limits: LIMITS,
      waiting: 256 * MIB,
      waitingOfOwner: 192 * MIB,
      entry: workerEntry(),
      onOverrun: () => {},
      ...options,
    }
  }

  /**
   * The plugins in a binary and its facts. Bytes in shared memory go to the thread as they are, others are copied.
   * Owners take turns. Throws `PluginError`; `TOOMANYREQUESTS` when too many bytes are waiting already.
   */
  examine(file: Uint8Array, owner = ''): Promise<Examination> {
    return this.#queued(owner, file.length, thread => thread.examine(shared(file)))
  }

  /**
   * Searches an archive for plugins in a thread; see `Thread.unpack`. `open` is called when its turn has come.
   * Throws as `examine`, and as `open` and `onPlugin` do.
   */
  unpack(
    open: () => Promise<Readable>,
    options: UnpackOptions,
    onPlugin: (plugin: ArchivedPlugin) => Promise<void>,
    owner = '',
  ): Promise<Unpacked> {
    return this.#queued(owner, ARCHIVE_SIZE, async thread => {
      const unpacked = await thread.unpack(await open(), options, onPlugin)
      if (unpacked.past) this.#options.onOverrun({ size: unpacked.bytes, reason: unpacked.past })
      return unpacked
    })
  }

  /** Stops the threads; what is still to be examined fails. */
  async close(): Promise<void> {
    this.#closed = true
    for (let job = this.#queue.next(); job; job = this.#queue.next()) job.reject(closed())
    await Promise.all([...this.#threads].map(thread => thread.end(closed())))
  }

  #queued<T>(owner: string, size: number, work: (thread: Thread) => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(closed())
    if (this.#isBusyFor(owner, size)) return Promise.reject(busy())
    return new Promise((resolve, reject) => {
      this.#queue.add(owner, { size, reject, work: async thread => resolve(await work(thread)) })
      this.#waiting += size
      if (this.#lanes < this.#options.threads) void this.#lane()
    })
  }

  /** An owner that has nothing in the queue finds a place in it, whatever others have queued. */
  #isBusyFor(owner: string, size: number): boolean {
    const { waiting, waitingOfOwner } = this.#options
    const own = this.#queue.waiting(owner).reduce((sum, job) => sum + job.size, 0)
    if (own === 0) return this.#waiting > 2 * waiting
    return own + size > waitingOfOwner || this.#waiting + size > waiting
  }

  /** Works on the queue until it is empty. There are as many of these as threads at work. */
  async #lane(): Promise<void> {
    this.#lanes++
    for (let job = this.#queue.next(); job; job = this.#queue.next()) {
      this.#waiting -= job.size
      await this.#work(job)
    }
    this.#lanes--
  }

  async #work({ size, work, reject }: Job): Promise<void> {
    try {
      const thread = this.#thread()
      await work(thread).finally(() => this.#idle.push(thread))
    } catch (error) {
      if (error instanceof PluginError && error.kind === 'too-complex')
        this.#options.onOverrun({ size, reason: error.reason })
      reject(error)
    }
  }

  /** An idle thread that lives, or a new one. */
  #thread(): Thread {
    for (let thread = this.#idle.pop(); thread; thread = this.#idle.pop()) {
      if (thread.alive) return thread
      this.#threads.delete(thread)
    }
    const thread = new Thread(this.#options.entry, this.#options.limits)
    this.#threads.add(thread)
    return thread
  }
}

function busy(): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', {
    message: 'too many plugins are being examined at the moment; try again',
    headers: { 'Retry-After': '1' },
  })
}

function closed(): Error {
  return new Error('the registry is being stopped')
}

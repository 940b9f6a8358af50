import { availableParallelism } from 'node:os'
import { shared } from '../lib/shared.ts'
import { RegistryError } from '../oci/errors.ts'
import { PluginError } from '../plugin/error.ts'
import type { Examination } from '../plugin/examine.ts'
import { workerEntry } from './entry.ts'
import { type Limits, Thread } from './thread.ts'

export interface PoolOptions {
  readonly threads: number
  readonly limits: Limits
  /** Bytes of the files that wait for a thread. */
  readonly waiting: number
  /** What a thread runs. */
  readonly entry: URL
  /** Told about files that are refused as too complex: these say something about the parsers, or the machine. */
  readonly onOverrun: (overrun: { readonly size: number; readonly reason: string }) => void
}

const MIB = 2 ** 20

/**
 * The budget is 100 ms of the processor, and no known file takes half of that. A thread is given up after twenty times
 * the budget, because the machine may be slow, and other threads of this process count as well.
 */
const LIMITS: Limits = { time: 2000, memory: 64, start: 30_000 }

interface Job {
  readonly file: Uint8Array
  readonly resolve: (examination: Examination) => void
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
  readonly #queue: Job[] = []
  #waiting = 0
  #lanes = 0
  #closed = false

  constructor(options: Partial<PoolOptions> = {}) {
    this.#options = {
      // More would only compete with the thread that serves.
      threads: availableParallelism() > 2 ? 2 : 1,
      limits: LIMITS,
      waiting: 256 * MIB,
      entry: workerEntry(),
      onOverrun: () => {},
      ...options,
    }
  }

  /**
   * The plugins in a binary and its facts. Bytes in shared memory go to the thread as they are, others are copied.
   * Throws `PluginError`; `TOOMANYREQUESTS` where too much is waiting already.
   */
  examine(file: Uint8Array): Promise<Examination> {
    if (this.#closed) return Promise.reject(closed())
    const { waiting, threads } = this.#options
    if (this.#queue.length > 0 && this.#waiting + file.length > waiting) return Promise.reject(busy())
    return new Promise((resolve, reject) => {
      this.#queue.push({ file: shared(file), resolve, reject })
      this.#waiting += file.length
      if (this.#lanes < threads) void this.#lane()
    })
  }

  /** Stops the threads; what is still to be examined fails. */
  async close(): Promise<void> {
    this.#closed = true
    for (const { reject } of this.#queue.splice(0)) reject(closed())
    await Promise.all([...this.#threads].map(thread => thread.end(closed())))
  }

  /** Works on the queue until it is empty. There are as many of these as threads at work. */
  async #lane(): Promise<void> {
    this.#lanes++
    for (let job = this.#queue.shift(); job; job = this.#queue.shift()) {
      this.#waiting -= job.file.length
      await this.#work(job)
    }
    this.#lanes--
  }

  async #work({ file, resolve, reject }: Job): Promise<void> {
    try {
      const thread = this.#thread()
      resolve(await thread.examine(file).finally(() => this.#idle.push(thread)))
    } catch (error) {
      if (error instanceof PluginError && error.kind === 'too-complex')
        this.#options.onOverrun({ size: file.length, reason: error.reason })
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

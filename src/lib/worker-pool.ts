import { Turns } from './turns.ts'
import { type ThreadOptions, WorkerThread } from './worker-thread.ts'

export interface PoolOptions extends ThreadOptions {
  readonly threads: number
  /** Milliseconds without a job after which the threads end, because each keeps the memory that it once needed. */
  readonly idleMs: number
  /** Bytes of the jobs that may wait for a thread. */
  readonly waiting: number
  /** Bytes of the jobs that one group may have waiting. */
  readonly waitingOfGroup: number
  /** The error for a job that finds too much waiting. */
  readonly busy: () => Error
}

interface Job {
  /** Bytes. */
  readonly size: number
  /** Resolves when the thread is free again; rejects, as the caller's promise does, when the work failed. */
  readonly work: (thread: WorkerThread) => Promise<void>
  readonly reject: (error: unknown) => void
}

/**
 * Runs jobs in worker threads, so that the event loop does not wait for them. The threads start with the first job;
 * one that dies or exceeds its limits is replaced. Groups of jobs take turns: a group with many jobs does not hold up
 * the others. Jobs without a group come first.
 */
export class WorkerPool {
  readonly #options: PoolOptions
  readonly #threads = new Set<WorkerThread>()
  readonly #idle: WorkerThread[] = []
  readonly #first: Job[] = []
  readonly #queue = new Turns<Job>()
  #waiting = 0
  #lanes = 0
  #idleTimer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: PoolOptions) {
    this.#options = options
  }

  /**
   * Runs the work on a thread, which is its alone meanwhile; the job counts as `size` bytes while it waits.
   * Throws as the work does, and `busy` if too much is waiting, but not without a group.
   */
  run<T>(size: number, group: string | undefined, work: (thread: WorkerThread) => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(closed())
    if (group !== undefined && this.#isBusyFor(group, size)) return Promise.reject(this.#options.busy())
    return new Promise((resolve, reject) => {
      const job: Job = { size, reject, work: async thread => resolve(await work(thread)) }
      if (group === undefined) this.#first.push(job)
      else this.#queue.add(group, job)
      this.#waiting += size
      if (this.#lanes < this.#options.threads) void this.#lane()
    })
  }

  /** Stops the threads; what is still to be done fails. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#idleTimer)
    for (let job = this.#next(); job; job = this.#next()) job.reject(closed())
    await Promise.all([...this.#threads].map(thread => thread.end(closed())))
  }

  /** A group that has nothing in the queue finds a place in it, whatever others have queued. */
  #isBusyFor(group: string, size: number): boolean {
    const { waiting, waitingOfGroup } = this.#options
    const own = this.#queue.waiting(group).reduce((sum, job) => sum + job.size, 0)
    if (own === 0) return this.#waiting > 2 * waiting
    return own + size > waitingOfGroup || this.#waiting + size > waiting
  }

  /** Works on the queue until it is empty. There are as many of these as threads at work. */
  async #lane(): Promise<void> {
    this.#lanes++
    clearTimeout(this.#idleTimer)
    for (let job = this.#next(); job; job = this.#next()) await this.#work(job)
    if (--this.#lanes > 0 || this.#closed) return
    this.#idleTimer = setTimeout(() => this.#endIdle(), this.#options.idleMs).unref()
  }

  #endIdle(): void {
    for (const thread of this.#idle.splice(0)) {
      this.#threads.delete(thread)
      void thread.end(new Error('the thread had no job'))
    }
  }

  #next(): Job | undefined {
    const job = this.#first.shift() ?? this.#queue.next()
    this.#waiting -= job?.size ?? 0
    return job
  }

  async #work({ work, reject }: Job): Promise<void> {
    try {
      const thread = this.#thread()
      await work(thread).finally(() => this.#idle.push(thread))
    } catch (error) {
      reject(error)
    }
  }

  /** An idle thread that lives, or a new one. */
  #thread(): WorkerThread {
    for (let thread = this.#idle.pop(); thread; thread = this.#idle.pop()) {
      if (thread.alive) return thread
      this.#threads.delete(thread)
    }
    const thread = new WorkerThread(this.#options)
    this.#threads.add(thread)
    return thread
  }
}

function closed(): Error {
  return new Error('the registry is being stopped')
}

import { type ThreadOptions, WorkerThread } from './worker-thread.ts'

export interface PoolOptions extends ThreadOptions {
  readonly threads: number
  /** Milliseconds without a task after which the threads end, because each keeps the memory that it once needed. */
  readonly idleMs: number
  /** Bytes of the tasks that may wait for a thread. One task may always wait. */
  readonly waiting: number
  /** The error for a task that finds too much waiting. */
  readonly busy: () => Error
}

interface Job {
  readonly task: unknown
  readonly size: number
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: unknown) => void
}

/**
 * Runs tasks in worker threads, so that the event loop does not wait for them. The threads start with the first task;
 * one that dies or exceeds its limits is replaced. Groups of tasks take turns: a group with many tasks does not hold
 * up the others. Tasks without a group come first.
 */
export class WorkerPool {
  readonly #options: PoolOptions
  readonly #threads = new Set<WorkerThread>()
  readonly #idle: WorkerThread[] = []
  readonly #first: Job[] = []
  /** The next task is of the first group, which then becomes the last one. */
  readonly #queues = new Map<string, Job[]>()
  #waiting = 0
  #lanes = 0
  #idleTimer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: PoolOptions) {
    this.#options = options
  }

  /**
   * The answer of a thread to the task, which counts as `size` bytes while it waits.
   * Throws `tooCostly` if the task exceeds the limits; `busy` if too much is waiting, but not without a group.
   */
  run(task: unknown, size: number, group: string | undefined): Promise<unknown> {
    if (this.#closed) return Promise.reject(closed())
    const { busy, threads, waiting } = this.#options
    const isFull = this.#queues.size > 0 && this.#waiting + size > waiting
    if (group !== undefined && isFull) return Promise.reject(busy())
    return new Promise((resolve, reject) => {
      const queue = group === undefined ? this.#first : (this.#queues.get(group) ?? [])
      queue.push({ task, size, resolve, reject })
      if (group !== undefined) this.#queues.set(group, queue)
      this.#waiting += size
      if (this.#lanes < threads) void this.#lane()
    })
  }

  /** Stops the threads; what is still to be done fails. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#idleTimer)
    for (let job = this.#next(); job; job = this.#next()) job.reject(closed())
    await Promise.all([...this.#threads].map(thread => thread.end(closed())))
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
      void thread.end(new Error('the thread had no task'))
    }
  }

  #next(): Job | undefined {
    const job = this.#first.shift() ?? this.#nextOfGroups()
    this.#waiting -= job?.size ?? 0
    return job
  }

  #nextOfGroups(): Job | undefined {
    const [first] = this.#queues
    if (!first) return undefined
    const [group, queue] = first
    this.#queues.delete(group)
    const job = queue.shift()
    if (queue.length > 0) this.#queues.set(group, queue)
    return job
  }

  async #work({ task, resolve, reject }: Job): Promise<void> {
    try {
      const thread = this.#thread()
      resolve(await thread.ask(task).finally(() => this.#idle.push(thread)))
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

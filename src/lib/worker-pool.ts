import { type ThreadOptions, WorkerThread } from './worker-thread.ts'

export interface PoolOptions extends ThreadOptions {
  readonly threads: number
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
 * up the others.
 */
export class WorkerPool {
  readonly #options: PoolOptions
  readonly #threads = new Set<WorkerThread>()
  readonly #idle: WorkerThread[] = []
  /** The next task is of the first group, which then becomes the last one. */
  readonly #queues = new Map<string, Job[]>()
  #waiting = 0
  #lanes = 0
  #closed = false

  constructor(options: PoolOptions) {
    this.#options = options
  }

  /**
   * The answer of a thread to the task, which counts as `size` bytes while it waits.
   * Throws `busy` if too much is waiting, `tooCostly` if the task exceeds the limits.
   */
  run(task: unknown, size: number, group = ''): Promise<unknown> {
    if (this.#closed) return Promise.reject(closed())
    const { busy, threads, waiting } = this.#options
    if (this.#queues.size > 0 && this.#waiting + size > waiting) return Promise.reject(busy())
    return new Promise((resolve, reject) => {
      const queue = this.#queues.get(group)
      const job = { task, size, resolve, reject }
      if (queue) queue.push(job)
      else this.#queues.set(group, [job])
      this.#waiting += size
      if (this.#lanes < threads) void this.#lane()
    })
  }

  /** Stops the threads; what is still to be done fails. */
  async close(): Promise<void> {
    this.#closed = true
    for (let job = this.#next(); job; job = this.#next()) job.reject(closed())
    await Promise.all([...this.#threads].map(thread => thread.end(closed())))
  }

  /** Works on the queue until it is empty. There are as many of these as threads at work. */
  async #lane(): Promise<void> {
    this.#lanes++
    for (let job = this.#next(); job; job = this.#next()) await this.#work(job)
    this.#lanes--
  }

  #next(): Job | undefined {
    for (const [group, queue] of this.#queues) {
      const job = queue.shift()
      this.#queues.delete(group)
      if (queue.length > 0) this.#queues.set(group, queue)
      this.#waiting -= job?.size ?? 0
      return job
    }
    return undefined
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

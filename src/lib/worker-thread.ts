import { Worker } from 'node:worker_threads'
import { WorkLimit } from './work-limit.ts'

/** What one task may cost, and a thread's start. */
export interface Limits {
  /** Milliseconds from the moment that the thread has the task, on the clock and on the processor: see `WorkLimit`. */
  readonly time: number
  /** MiB of objects on the thread's heap. Shared memory is not among them. */
  readonly memory: number
  /** Milliseconds until the thread is ready for its first task, counted the same way. */
  readonly start: number
}

export interface ThreadOptions {
  /** For messages: `analyzer`. */
  readonly name: string
  /** The module that the thread runs: it sends undefined when it is ready, then one message for each one received. */
  readonly entry: URL
  readonly limits: Limits
  /** The error for a task that needs more than the limits. */
  readonly tooCostly: (reason: string) => Error
}

/**
 * MiB. With a small young generation the limit of the old one is noticed in time; with the preset one, Node 24 aborts
 * the whole process now and then (nodejs/node#47224).
 */
const YOUNG = 8

interface Waiting {
  resolve(answer: unknown): void
  reject(error: Error): void
}

/** A worker thread with one task at a time. When a task fails it is gone, and another one is to be started. */
export class WorkerThread {
  readonly #worker: Worker
  readonly #options: ThreadOptions
  readonly #ready: Promise<unknown>
  #waiting: Waiting | undefined
  #ended: Error | undefined

  constructor(options: ThreadOptions) {
    const { name, entry, limits } = options
    this.#options = options
    this.#worker = new Worker(entry, {
      name,
      resourceLimits: { maxOldGenerationSizeMb: limits.memory, maxYoungGenerationSizeMb: YOUNG },
    })
    this.#worker.on('message', answer => this.#waiting?.resolve(answer))
    this.#worker.on('error', error => this.end(this.#meaning(error)))
    this.#worker.on('exit', code => this.end(new Error(`the ${name}'s thread ended with code ${code}`)))
    const late = () => new Error(`the ${name}'s thread did not start within ${limits.start} ms`)
    this.#ready = this.#message(limits.start, late)
    // It is the first task that fails by it; without one nobody has to know.
    this.#ready.catch(() => {})
  }

  /** Whether it takes another task. */
  get alive(): boolean {
    return this.#ended === undefined
  }

  /** The thread's answer. Throws `tooCostly` for what costs more than the limits; other errors are the thread's own. */
  async ask(task: unknown): Promise<unknown> {
    await this.#ready
    const { name, limits, tooCostly } = this.#options
    const answer = this.#message(limits.time, () => tooCostly(`it takes more than ${limits.time} ms`))
    this.#worker.postMessage(task)
    const received = await answer
    if (received === undefined) throw new Error(`the ${name}'s thread answered out of turn`)
    return received
  }

  /** Stops the thread, wherever it is. What it was at fails with this error. */
  async end(error: Error): Promise<void> {
    this.#ended ??= error
    this.#waiting?.reject(this.#ended)
    await this.#worker.terminate()
  }

  /** The next message. Without one in time the thread is stopped, and `late` says why. */
  async #message(time: number, late: () => Error): Promise<unknown> {
    if (this.#ended) throw this.#ended
    // A message may have come while this thread was busy itself: it is taken before the thread is given up.
    const giveUp = () => setImmediate(() => this.#waiting === waiting && this.end(late()))
    const limit = new WorkLimit(time, giveUp)
    let waiting: Waiting | undefined
    this.#worker.ref()
    try {
      return await new Promise((resolve, reject) => {
        waiting = this.#waiting = { resolve, reject }
      })
    } finally {
      limit.stop()
      this.#waiting = undefined
      // An idle thread keeps no process running.
      this.#worker.unref()
    }
  }

  #meaning(error: Error & { code?: string }): Error {
    if (error.code !== 'ERR_WORKER_OUT_OF_MEMORY') return error
    const { limits, tooCostly } = this.#options
    return tooCostly(`it takes more than ${limits.memory} MiB of memory`)
  }
}

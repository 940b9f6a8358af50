import { Worker } from 'node:worker_threads'
import { WorkLimit } from '../lib/work-limit.ts'
import { PluginError } from '../plugin/error.ts'
import type { Examination } from '../plugin/examine.ts'
import { type Answer, examinationIn } from './answer.ts'

/** What one file may cost, and a thread's start. */
export interface Limits {
  /** Milliseconds from the moment that the thread has the file, on the clock and on the processor: see `WorkLimit`. */
  readonly time: number
  /** MiB of objects on the thread's heap. The file is not among them. */
  readonly memory: number
  /** Milliseconds until the thread is ready for its first file, counted the same way. */
  readonly start: number
}

/**
 * MiB. With a small young generation the limit of the old one is noticed in time; with the preset one, Node 24 aborts
 * the whole process now and then (nodejs/node#47224).
 */
const YOUNG = 8

interface Waiting {
  resolve(answer: Answer | undefined): void
  reject(error: Error): void
}

/** A worker thread that examines one file at a time. When it fails one it is gone, and another one is to be started. */
export class Thread {
  readonly #worker: Worker
  readonly #limits: Limits
  readonly #ready: Promise<Answer | undefined>
  #waiting: Waiting | undefined
  #ended: Error | undefined

  constructor(entry: URL, limits: Limits) {
    this.#limits = limits
    this.#worker = new Worker(entry, {
      name: 'analyzer',
      resourceLimits: { maxOldGenerationSizeMb: limits.memory, maxYoungGenerationSizeMb: YOUNG },
    })
    this.#worker.on('message', answer => this.#waiting?.resolve(answer))
    this.#worker.on('error', error => this.end(this.#meaning(error)))
    this.#worker.on('exit', code => this.end(new Error(`the analyzer's thread ended with code ${code}`)))
    const late = () => new Error(`the analyzer's thread did not start within ${limits.start} ms`)
    this.#ready = this.#message(limits.start, late)
    // It is the first file that fails by it; without one nobody has to know.
    this.#ready.catch(() => {})
  }

  /** Whether it takes another file. */
  get alive(): boolean {
    return this.#ended === undefined
  }

  /** Throws `PluginError` for what is no plugin, or costs more than the limits; other errors are the thread's own. */
  async examine(file: Uint8Array): Promise<Examination> {
    await this.#ready
    const { time } = this.#limits
    const answer = this.#message(time, () => tooComplex(`examining it takes more than ${time} ms`))
    this.#worker.postMessage(file)
    const received = await answer
    if (received === undefined) throw new Error("the analyzer's thread answered out of turn")
    return examinationIn(received)
  }

  /** Stops the thread, wherever it is. What it was at fails with this error. */
  async end(error: Error): Promise<void> {
    this.#ended ??= error
    this.#waiting?.reject(this.#ended)
    await this.#worker.terminate()
  }

  /** The next message. Without one in time the thread is stopped, and `late` says why. */
  async #message(time: number, late: () => Error): Promise<Answer | undefined> {
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
    return tooComplex(`examining it takes more than ${this.#limits.memory} MiB of memory`)
  }
}

function tooComplex(reason: string): PluginError {
  return new PluginError('too-complex', reason)
}

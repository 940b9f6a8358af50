import { Worker } from 'node:worker_threads'
import { PluginError } from '../plugin/error.ts'
import type { Examination } from '../plugin/examine.ts'
import { type Answer, examinationIn } from './answer.ts'

/** What one file may cost, and a thread's start. */
export interface Limits {
  /**
   * Milliseconds from the moment that the thread has the file. They must have passed on the clock and on the processor,
   * so a machine that is busy with other processes refuses nothing. The processor time is that of the whole process,
   * because Node.js 20 does not report that of one thread.
   */
  readonly time: number
  /** MiB of objects on the thread's heap. The file is not among them. */
  readonly memory: number
  /** Milliseconds, counted the same way, until the thread is ready for its first file. */
  readonly start: number
}

/**
 * MiB. With a small young generation the limit of the old one is noticed in time; with the preset one, Node 24 aborts
 * the whole process now and then (nodejs/node#47224).
 */
const YOUNG = 8

/** Milliseconds of wall time after which a thread is given up that waits and uses no processor. */
const STUCK_MS = 120_000

/** Milliseconds between two looks at the processor time, at least. */
const LOOK_EVERY_MS = 20

interface Waiting {
  resolve(answer: Answer | undefined): void
  reject(error: Error): void
}

/** A worker thread that examines one file at a time. When it fails one it is gone, and another one is to be started. */
export class Thread {
  readonly #worker: Worker
  readonly #limits: Limits
  readonly #stuckMs: number
  readonly #ready: Promise<Answer | undefined>
  #waiting: Waiting | undefined
  #ended: Error | undefined

  /** `stuckMs`: milliseconds of wall time for a thread that waits and uses no processor. */
  constructor(entry: URL, limits: Limits, stuckMs = STUCK_MS) {
    this.#limits = limits
    this.#stuckMs = stuckMs
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

  /** The next message. If none comes within `time`, the thread is stopped, and `late` says why. */
  async #message(time: number, late: () => Error): Promise<Answer | undefined> {
    if (this.#ended) throw this.#ended
    const begun = { processor: process.cpuUsage(), wall: performance.now() }
    const look = () => {
      const left = Math.min(
        time - processorMsSince(begun.processor),
        this.#stuckMs - (performance.now() - begun.wall),
      )
      if (left > 0) timer = setTimeout(look, Math.max(left, LOOK_EVERY_MS))
      // A message may have come while this thread was busy itself: it is taken before the thread is given up.
      else setImmediate(() => this.#waiting === waiting && this.end(late()))
    }
    let timer = setTimeout(look, Math.min(time, this.#stuckMs))
    let waiting: Waiting | undefined
    this.#worker.ref()
    try {
      return await new Promise((resolve, reject) => {
        waiting = this.#waiting = { resolve, reject }
      })
    } finally {
      clearTimeout(timer)
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

function processorMsSince(begun: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begun)
  return (user + system) / 1000
}

function tooComplex(reason: string): PluginError {
  return new PluginError('too-complex', reason)
}

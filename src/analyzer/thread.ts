import type { Readable } from 'node:stream'
import { Worker } from 'node:worker_threads'
import { giveBack } from '../lib/chunk-pool.ts'
import { PluginError } from '../plugin/error.ts'
import type { Examination } from '../plugin/examine.ts'
import { type Answer, examinationIn, outOfTurn, type Request } from './answer.ts'
import type { ArchivedPlugin, Unpacked, UnpackOptions } from './unpack.ts'

/** What one file may cost, and a thread's start. */
export interface Limits {
  /** Milliseconds from the moment that the thread has the file, or a piece of an archive. */
  readonly time: number
  /** MiB of objects on the thread's heap. The file is not among them. */
  readonly memory: number
  /** Milliseconds until the thread is ready for its first file. */
  readonly start: number
}

/**
 * MiB. With a small young generation the limit of the old one is noticed in time; with the preset one, Node 24 aborts
 * the whole process now and then (nodejs/node#47224).
 */
const YOUNG = 8

/** Bytes of an archive in one message. Of gzip they unpack to 128 MiB at most, which takes a fraction of the time limit. */
const PIECE = 128 * 1024

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
    return examinationIn(await this.#ask(file))
  }

  /**
   * Searches an archive; `onPlugin` gets each plugin in it, and its bytes until it resolves. Throws `PluginError` for
   * one that costs more than the limits, and as the source does.
   */
  async unpack(
    source: Readable,
    options: UnpackOptions,
    onPlugin: (plugin: ArchivedPlugin) => Promise<void>,
  ): Promise<Unpacked> {
    const piece = Buffer.from(new SharedArrayBuffer(PIECE))
    const pieces = inPieces(source)
    let request: Request = { options, piece }
    try {
      await this.#ready
      for (;;) {
        const answer = await this.#ask(request)
        if (answer === 'more') {
          const { value } = await pieces.next()
          if (value) piece.set(value)
          request = value?.length ?? 0
        } else if ('plugin' in answer) {
          await onPlugin(answer.plugin)
          request = 0
        } else if ('unpacked' in answer) return answer.unpacked
        else throw outOfTurn()
      }
    } catch (error) {
      // The thread still waits for a reply.
      await this.end(error as Error)
      throw error
    } finally {
      source.destroy()
    }
  }

  /** Stops the thread, wherever it is. What it was at fails with this error. */
  async end(error: Error): Promise<void> {
    this.#ended ??= error
    this.#waiting?.reject(this.#ended)
    await this.#worker.terminate()
  }

  async #ask(request: Request): Promise<Answer> {
    const { time } = this.#limits
    const answer = this.#message(time, () => tooComplex(`examining it takes more than ${time} ms`))
    this.#worker.postMessage(request)
    const received = await answer
    if (received === undefined) throw outOfTurn()
    return received
  }

  /** The next message. Without one in time the thread is stopped, and `late` says why. */
  async #message(time: number, late: () => Error): Promise<Answer | undefined> {
    if (this.#ended) throw this.#ended
    // A message may have come while this thread was busy itself: it is taken before the thread is given up.
    const timer = setTimeout(() => setImmediate(() => this.#waiting === waiting && this.end(late())), time)
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

/** The source in pieces of at most `PIECE` bytes, none of them empty. Takes the chunks over. */
async function* inPieces(source: Readable): AsyncGenerator<Uint8Array, undefined> {
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; at += PIECE) yield chunk.subarray(at, at + PIECE)
    giveBack(chunk)
  }
  return undefined
}

function tooComplex(reason: string): PluginError {
  return new PluginError('too-complex', reason)
}

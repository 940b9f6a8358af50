import { availableParallelism } from 'node:os'
import { shared } from '../lib/shared.ts'
import { workerEntry } from '../lib/worker-entry.ts'
import { WorkerPool } from '../lib/worker-pool.ts'
import type { Limits } from '../lib/worker-thread.ts'
import { RegistryError } from '../oci/errors.ts'
import { PluginError } from '../plugin/error.ts'
import type { Examination } from '../plugin/examine.ts'
import { type Answer, examinationIn } from './answer.ts'

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
 * The budget is 100 ms, and no known file takes half of that on a machine with nothing else to do. A thread is given
 * up when it takes twenty times the budget, for the machine may be busy, and what is given up would not come back.
 */
const LIMITS: Limits = { time: 2000, memory: 64, start: 30_000 }

/** Examines plugins in threads of its own, so that other requests do not wait for it. */
export class WorkerAnalyzer {
  readonly #pool: WorkerPool
  readonly #onOverrun: PoolOptions['onOverrun']

  constructor({ onOverrun = () => {}, ...options }: Partial<PoolOptions> = {}) {
    this.#onOverrun = onOverrun
    this.#pool = new WorkerPool({
      name: 'analyzer',
      // More would only compete with the thread that serves.
      threads: availableParallelism() > 2 ? 2 : 1,
      limits: LIMITS,
      idleMs: 60_000,
      waiting: 256 * MIB,
      entry: workerEntry('analyzer/worker'),
      tooCostly: reason => new PluginError('too-complex', reason.replace('it', 'examining it')),
      busy,
      ...options,
    })
  }

  /**
   * The plugins in a binary and its facts. Bytes in shared memory go to the thread as they are, others are copied.
   * Throws `PluginError`; `TOOMANYREQUESTS` where too much is waiting already.
   */
  async examine(file: Uint8Array): Promise<Examination> {
    try {
      return examinationIn((await this.#pool.run(shared(file), file.length, '')) as Answer)
    } catch (error) {
      if (error instanceof PluginError && error.kind === 'too-complex')
        this.#onOverrun({ size: file.length, reason: error.reason })
      throw error
    }
  }

  /** Stops the threads; what is still to be examined fails. */
  close(): Promise<void> {
    return this.#pool.close()
  }
}

function busy(): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', {
    message: 'too many plugins are being examined at the moment; try again',
    headers: { 'Retry-After': '1' },
  })
}

import { availableParallelism } from 'node:os'
import type { Readable } from 'node:stream'
import { shared } from '../lib/shared.ts'
import { workerEntry } from '../lib/worker-entry.ts'
import { WorkerPool } from '../lib/worker-pool.ts'
import type { Limits } from '../lib/worker-thread.ts'
import { RegistryError } from '../oci/errors.ts'
import { PluginError } from '../plugin/error.ts'
import type { Examination } from '../plugin/examine.ts'
import { type Answer, examinationIn } from './answer.ts'
import type { ArchivedPlugin, Unpacked, UnpackOptions } from './unpack.ts'
import { unpackIn } from './unpacking.ts'

export interface PoolOptions {
  readonly threads: number
  readonly limits: Limits
  /** Bytes of the files that wait for a thread, and the share of them that one owner's may have. */
  readonly waiting: number
  readonly waitingOfGroup: number
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
 * The budget is 100 ms of the processor, and no known file takes half of that. A thread is given up after twenty times
 * the budget, because the machine may be slow, and other threads of this process count as well.
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
      waitingOfGroup: 192 * MIB,
      entry: workerEntry('analyzer/worker'),
      tooCostly: reason => new PluginError('too-complex', reason.replace('it', 'examining it')),
      busy,
      ...options,
    })
  }

  /**
   * The plugins in a binary and its facts. Bytes in shared memory go to the thread as they are, others are copied.
   * Owners take turns. Throws `PluginError`; `TOOMANYREQUESTS` when too many bytes are waiting already.
   */
  examine(file: Uint8Array, owner = ''): Promise<Examination> {
    return this.#reporting(
      file.length,
      this.#pool.run(file.length, owner, async thread =>
        examinationIn((await thread.ask(shared(file))) as Answer),
      ),
    )
  }

  /**
   * Searches an archive for plugins in a thread; see `unpackIn`. `open` is called when its turn has come.
   * Throws as `examine`, and as `open` and `onPlugin` do.
   */
  async unpack(
    open: () => Promise<Readable>,
    options: UnpackOptions,
    onPlugin: (plugin: ArchivedPlugin) => Promise<void>,
    owner = '',
  ): Promise<Unpacked> {
    const unpacked = await this.#reporting(
      ARCHIVE_SIZE,
      this.#pool.run(ARCHIVE_SIZE, owner, async thread => unpackIn(thread, await open(), options, onPlugin)),
    )
    if (unpacked.past) this.#onOverrun({ size: unpacked.bytes, reason: unpacked.past })
    return unpacked
  }

  /** Stops the threads; what is still to be examined fails. */
  close(): Promise<void> {
    return this.#pool.close()
  }

  async #reporting<T>(size: number, work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      if (error instanceof PluginError && error.kind === 'too-complex')
        this.#onOverrun({ size, reason: error.reason })
      throw error
    }
  }
}

function busy(): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', {
    message: 'too many plugins are being examined at the moment; try again',
    headers: { 'Retry-After': '1' },
  })
}

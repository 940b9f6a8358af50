import { messageOf } from './message.ts'
import type { RegistryClient } from './registry-client.ts'
import { newTally } from './sync-tally.ts'

/** So much is asked for at a time. */
export const AT_ONCE = 4

/** The sync of one repository, or one plugin: what fails is told and counted, and the rest goes on. */
export class SyncRun {
  readonly client: RegistryClient
  readonly tally = newTally()
  readonly #signal: AbortSignal
  readonly #onFailure: (item: string, why: string) => void
  readonly #onBytes: (bytes: number) => void

  /** `onFailure` hears what was not synced, and why; `onBytes` of bytes as they come. */
  constructor(
    client: RegistryClient,
    signal: AbortSignal,
    onFailure: (item: string, why: string) => void,
    onBytes: (bytes: number) => void,
  ) {
    this.client = client
    this.#signal = signal
    this.#onFailure = onFailure
    this.#onBytes = onBytes
  }

  /** Rejects only where it is to stop. */
  async attempt(item: string, work: () => Promise<void>): Promise<void> {
    this.#signal.throwIfAborted()
    try {
      await work()
    } catch (error) {
      this.#signal.throwIfAborted()
      this.fail(item, messageOf(error))
    }
  }

  /** Counts and reports something that is not here after the sync. */
  fail(item: string, why: string): void {
    this.tally.failed++
    this.#onFailure(item, why)
  }

  /** The bytes that stand under that path. */
  async blob(path: string): Promise<void> {
    const { size, wasHere } = await this.client.bring(path, this.#onBytes)
    this.tally.blobs++
    this.tally.bytes += size
    if (wasHere) return
    this.tally.newBlobs++
    this.tally.newBytes += size
  }
}

import { shared } from '../lib/shared.ts'
import { workerEntry } from '../lib/worker-entry.ts'
import { WorkerPool } from '../lib/worker-pool.ts'
import type { Limits } from '../lib/worker-thread.ts'
import type { Documents } from '../oci/documents.ts'
import { RegistryError } from '../oci/errors.ts'
import { parseLenientManifest } from '../oci/lenient-manifest.ts'
import { type Manifest, parseManifest, parseObject } from '../oci/manifest.ts'
import { MANIFEST_LIMITS, STORED_LIMITS } from '../oci/manifest-limits.ts'
import type { JsonLimits } from '../oci/strict-json.ts'
import { type Answer, parsedIn, type Task } from './answer.ts'
import { joined } from './split.ts'

/**
 * Bytes. Parsing a document of this size takes at most some milliseconds, whatever is in it, and the way to another
 * thread and back costs about as much as parsing an ordinary one.
 */
const PARSED_HERE = 32 * 1024

const MIB = 2 ** 20

/**
 * The most costly document within the limits takes some hundred milliseconds. The thread is given up after far more
 * than that, because the machine may be busy.
 */
const LIMITS: Limits = { time: 10_000, memory: 192, start: 30_000 }

/** Parses small documents at once, and large ones in a worker thread. */
export class WorkerDocuments implements Documents {
  readonly #pool: WorkerPool

  constructor(limits = LIMITS, waiting = 64 * MIB) {
    this.#pool = new WorkerPool({
      name: 'document parser',
      // A second one would only compete with the thread that serves.
      threads: 1,
      idleMs: 30_000,
      limits,
      waiting,
      waitingOfGroup: waiting,
      entry: workerEntry('documents/worker'),
      tooCostly: reason =>
        new RegistryError('MANIFEST_TOO_LARGE', {
          message: `the document is too costly to parse: ${reason}`,
        }),
      busy: () =>
        new RegistryError('TOOMANYREQUESTS', {
          message: 'too many large documents are being parsed at the moment; try again',
          headers: { 'Retry-After': '1' },
        }),
    })
  }

  async manifest(bytes: Uint8Array, contentType: string | undefined, group: string): Promise<Manifest> {
    if (bytes.length <= PARSED_HERE) return parseManifest(bytes, contentType)
    const as = { manifest: MANIFEST_LIMITS, contentType, strict: true }
    return (await this.#parsed({ bytes, as }, group)) as unknown as Manifest
  }

  async received(bytes: Uint8Array, contentType: string | undefined, group: string): Promise<Manifest> {
    if (bytes.length <= PARSED_HERE) return parseLenientManifest(bytes, contentType, MANIFEST_LIMITS)
    const as = { manifest: MANIFEST_LIMITS, contentType, strict: false }
    return (await this.#parsed({ bytes, as }, group)) as unknown as Manifest
  }

  async stored(bytes: Uint8Array, mediaType: string): Promise<Manifest> {
    if (bytes.length <= PARSED_HERE) return parseLenientManifest(bytes, mediaType)
    const as = { manifest: STORED_LIMITS, contentType: mediaType, strict: false }
    return (await this.#parsed({ bytes, as }, undefined)) as unknown as Manifest
  }

  async object(bytes: Uint8Array, limits: JsonLimits, group: string): Promise<Record<string, unknown>> {
    if (bytes.length <= PARSED_HERE) return parseObject(bytes, limits)
    return await this.#parsed({ bytes, as: { object: limits } }, group)
  }

  /** Stops the thread; what is still to be parsed fails. */
  close(): Promise<void> {
    return this.#pool.close()
  }

  async #parsed({ bytes, as }: Task, group: string | undefined): Promise<Record<string, unknown>> {
    const task: Task = { bytes: shared(bytes), as }
    return await joined(
      parsedIn((await this.#pool.run(bytes.length, group, thread => thread.ask(task))) as Answer),
    )
  }
}

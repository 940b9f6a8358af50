import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { OriginalFile } from '../../archive/original-storage.ts'
import { FILES } from '../../index/tables.ts'
import { parseRfc3339 } from '../../lib/clock.ts'
import { formatSize } from '../../lib/format-size.ts'
import { readShared } from '../../lib/shared.ts'
import { digestOf, hexOf } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import { PluginError } from '../../plugin/error.ts'
import { Manifests } from '../manifests.ts'
import type { Parts } from '../parts.ts'
import { Plugins } from '../plugins.ts'
import { judge } from '../signatures.ts'

/** What became of one file: it is new here, it was here already, or it cannot be taken. */
export type ImportOutcome =
  | { readonly kind: 'imported' | 'present' }
  | { readonly kind: 'refused'; readonly reason: string }

/**
 * Publishes files of the original server with the rules of an upload, each at the time of its first upload there, so
 * that lists keep their order. What is here already stays as it is, so an import can be repeated and resumed.
 */
export class OriginalImport {
  readonly #parts: Parts
  readonly #plugins: Plugins
  readonly #dryRun: boolean

  /** `dryRun`: everything is checked, and nothing is written. */
  constructor(parts: Parts, { dryRun }: { readonly dryRun: boolean }) {
    this.#parts = parts
    this.#plugins = new Plugins(parts, new Manifests(parts))
    this.#dryRun = dryRun
  }

  /** Throws if the storage of this registry fails, such as `STORAGE_FULL`; a file that is wrong is refused. */
  async take(file: OriginalFile): Promise<ImportOutcome> {
    const created = parseRfc3339(`${file.createdAt}Z`)
    if (created === undefined) return refused(`its time of upload, ${file.createdAt.slice(0, 40)}, is none`)
    try {
      const bytes = await this.#read(file)
      if (typeof bytes === 'string') return refused(bytes)
      const isNew = this.#dryRun ? await this.#check(bytes, file) : await this.#publish(bytes, file, created)
      return { kind: isNew ? 'imported' : 'present' }
    } catch (error) {
      if (error instanceof PluginError) return refused(`it is not a memflow plugin: ${error.reason}`)
      if (error instanceof RegistryError && error.status < 500) return refused(error.message)
      throw error
    }
  }

  /** The bytes of the file, or why they are not what its name says. */
  async #read({ path, digest }: OriginalFile): Promise<Buffer | string> {
    const { maxPluginSize } = this.#parts.policy
    let bytes: Buffer
    try {
      const { size } = await stat(path)
      if (size > maxPluginSize)
        return `it has ${formatSize(size)}, more than MEMFLOW_MAX_PLUGIN_SIZE allows (${formatSize(maxPluginSize)})`
      bytes = await readShared(createReadStream(path, { end: size }), size)
    } catch (error) {
      return `its .plugin file cannot be read: ${(error as Error).message}`
    }
    return hexOf(digestOf(bytes)) === digest
      ? bytes
      : 'its bytes do not have the digest that names it: it is damaged'
  }

  /** What `#publish` would return. Throws what it would throw. */
  async #check(bytes: Buffer, { signature }: OriginalFile): Promise<boolean> {
    const digest = digestOf(bytes)
    judge(this.#parts, digest, signature)
    await this.#parts.analyzer.examine(bytes)
    return (await this.#parts.index.get(FILES, hexOf(digest))) === undefined
  }

  /** Returns false if the binary is here already. */
  async #publish(bytes: Buffer, { signature }: OriginalFile, created: bigint): Promise<boolean> {
    const upload = await this.#plugins.stage(once(bytes))
    try {
      return await this.#plugins.publish(upload, signature, created)
    } finally {
      await upload.abort()
    }
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

function refused(reason: string): ImportOutcome {
  return { kind: 'refused', reason }
}

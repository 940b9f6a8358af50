import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { orAbsent } from '../lib/errno.ts'
import { type Digest, isDigest } from '../oci/digest.ts'

/** How far a scrub has come. */
export interface ScrubState {
  /** The last blob that was read. */
  after: Digest | undefined
  blobs: number
  bytes: number
  damaged: number
  unreadable: number
}

/** Where the state of a scrub is kept that was stopped. It is not synced: what a crash takes of it is read once more. */
export class ScrubCursor {
  readonly #file: string

  constructor(storageRoot: string) {
    this.#file = join(storageRoot, 'scrub.json')
  }

  /** Where the last scrub stopped, or the beginning. */
  async load(): Promise<ScrubState> {
    const beginning = { after: undefined, blobs: 0, bytes: 0, damaged: 0, unreadable: 0 }
    const text = await orAbsent(readFile(this.#file, 'utf8'))
    try {
      const state = { ...beginning, ...(JSON.parse(text ?? '{}') as Partial<ScrubState>) }
      return isDigest(state.after ?? '') ? state : beginning
    } catch {
      return beginning
    }
  }

  async save(state: ScrubState): Promise<void> {
    try {
      await writeFile(`${this.#file}.new`, JSON.stringify(state))
      await rename(`${this.#file}.new`, this.#file)
    } catch {
      // A full disk can be scrubbed as well.
    }
  }

  /** The next scrub begins at the beginning. */
  async clear(): Promise<void> {
    // In a storage that cannot be written there is none, or the next scrub goes on there.
    await rm(this.#file, { force: true }).catch(() => {})
  }
}

import { del, put } from '../../index/contract.ts'
import { CLAIMED, CLAIMS } from '../../index/tables.ts'
import { USED } from '../../index/upstream-tables.ts'
import { type Digest, isDigest } from '../../oci/digest.ts'
import { descriptorsOf } from '../../oci/manifest.ts'
import type { Repository } from '../../oci/name.ts'
import { timeChange } from '../last-time.ts'
import { loadManifest } from '../manifest-rows.ts'
import { pages } from '../pages.ts'
import type { Parts } from '../parts.ts'

/** How exactly it is known when something was used: by the quarter of an hour, in nanoseconds. */
const PERIOD = 15n * 60n * 1_000_000_000n

/** Rows of one write. */
const STEP = 1000

/** That something was used. */
interface Note {
  readonly period: number
  /** Of a manifest, where it is. */
  readonly repository?: Repository | undefined
}

/**
 * When mirrored content was last used. A read leaves a note in memory; once in a period the index gets a row for it, and
 * for what is in use together with it: an image with all its blobs, a plugin with the manifests that bring it.
 * What a crash takes away is a minute's notes.
 */
export class Usage {
  readonly #parts: Parts
  readonly #limited: boolean
  /** What was used since it was written last. */
  readonly #notes = new Map<Digest, Note>()

  constructor(parts: Parts) {
    this.#parts = parts
    this.#limited = Number.isFinite(parts.policy.mirrorMaxSize)
  }

  /** Somebody asked for the content here; for a manifest in that repository. */
  note(digest: Digest, repository?: Repository): void {
    if (this.#limited) this.#notes.set(digest, { period: this.now(), repository })
  }

  /** The number of the period that it is now. */
  now(): number {
    return periodOf(this.#parts.clock.now())
  }

  /** The period in which the content was used last, as far as is known. */
  async last(digest: Digest): Promise<number | undefined> {
    return this.#notes.get(digest)?.period ?? (await this.#written(digest))
  }

  /** Takes it that the content was used then, where nothing later is known. */
  assume(digest: Digest, period: number): void {
    if (!this.#notes.has(digest)) this.#notes.set(digest, { period })
  }

  /** Writes down what was used. */
  async write(): Promise<void> {
    const notes = [...this.#notes]
    for (let i = 0; i < notes.length; i += STEP) {
      const step = notes.slice(i, i + STEP)
      const used = new Map<Digest, number>()
      for (const [digest, note] of step) await this.#add(used, digest, note)
      const rows = [...used].map(([digest, period]) => put(USED, [digest], { period }))
      // A period ahead of the time of a later start would count as in use until that time has come.
      if (rows.length > 0) await this.#parts.index.apply([...rows, timeChange(this.#parts.clock)])
      for (const [digest, note] of step) if (this.#notes.get(digest) === note) this.#notes.delete(digest)
    }
  }

  /** Forgets what was not used from that period on. */
  async forget(before: number): Promise<void> {
    const { index } = this.#parts
    for await (const page of pages(index, USED, []))
      await index.apply(page.filter(({ row }) => row.period < before).map(({ key }) => del(USED, key)))
  }

  async #written(digest: Digest): Promise<number | undefined> {
    return (await this.#parts.index.get(USED, digest))?.period
  }

  /** Adds what is to be written for a note: nothing, where that was done in the same period. */
  async #add(used: Map<Digest, number>, digest: Digest, { period, repository }: Note): Promise<void> {
    if (((await this.#written(digest)) ?? -1) >= period) return
    const together = new Set([digest])
    if (repository) await this.#addManifest(together, repository, digest)
    for (const { key } of await this.#parts.index.page(CLAIMS, [digest]))
      await this.#addManifest(together, key[1] as Repository, key[2] as Digest)
    for (const one of together)
      if (Math.max((await this.#written(one)) ?? -1, used.get(one) ?? -1) < period) used.set(one, period)
  }

  /** Adds a manifest, where it is there, and all that it names or brings. */
  async #addManifest(together: Set<Digest>, repository: Repository, digest: Digest): Promise<void> {
    const { documents, index } = this.#parts
    const pushed = await loadManifest(index, documents, repository, digest)
    if (!pushed) return
    together.add(digest)
    for (const { key } of await index.page(CLAIMED, [repository, digest])) together.add(key[2] as Digest)
    for (const { digest: named } of descriptorsOf(pushed.manifest)) {
      if (!isDigest(named) || together.has(named)) continue
      together.add(named)
      if (pushed.manifest.kind === 'index') await this.#addManifest(together, repository, named)
    }
  }
}

/** The number of the period that a time is in, which is in nanoseconds since 1970. */
export function periodOf(time: bigint): number {
  return Number(time / PERIOD)
}

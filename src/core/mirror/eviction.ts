import type { Batch } from '../../index/batch.ts'
import { BINARIES, LINKS } from '../../index/tables.ts'
import { Spells } from '../../lib/spells.ts'
import { dropBlob } from '../blobs.ts'
import { changePlugins } from '../changes.ts'
import type { Collector } from '../garbage/collector.ts'
import { removeBytes } from '../garbage/free-bytes.ts'
import type { Manifests } from '../manifests.ts'
import type { Parts } from '../parts.ts'
import type { MirrorSize } from './mirror-size.ts'
import { MirroredContent, type MirroredItem } from './mirrored-content.ts'
import type { Usage } from './usage.ts'

export interface Evicted {
  readonly manifests: number
  readonly blobs: number
  /** Of both. */
  readonly bytes: number
  /** Of mirrored content that is still here, in bytes. */
  readonly left: number
}

/** So much of the limit is left after an eviction, so that the next one is not due at once. */
const TARGET = 0.9

/** What was used in this many of the last periods may be needed by a pull that goes on. */
const IN_USE = 2

/**
 * Keeps mirrored content under its limit: what was not used for longest goes, and is fetched again when it is asked for.
 * What was pushed, and what other repositories hold, stays. A plugin goes together with the manifests that bring it,
 * so that none is listed whose file is not here.
 */
export class Eviction {
  readonly #parts: Parts
  readonly #manifests: Manifests
  readonly #collector: Collector
  readonly #usage: Usage
  readonly #content: MirroredContent
  readonly #size: MirrorSize
  /** The period before which there is no use in another try: the last one failed, or left what is in use. */
  #notBefore = 0

  constructor(parts: Parts, manifests: Manifests, collector: Collector, usage: Usage, size: MirrorSize) {
    this.#parts = parts
    this.#manifests = manifests
    this.#collector = collector
    this.#usage = usage
    this.#size = size
    this.#content = new MirroredContent(parts, usage)
  }

  /**
   * Evicts where there is too much; undefined where there is not. To be called every minute or so: most of the time it
   * compares two numbers. Throws `INDEX_INCOMPLETE`, `INDEX_DAMAGED`.
   */
  async run(signal?: AbortSignal): Promise<Evicted | undefined> {
    const { index } = this.#parts
    await this.#usage.write()
    if (this.#size.excess <= 0) return undefined
    if (this.#usage.now() < this.#notBefore) return undefined
    return index.exclusive(['garbage'], () => this.#run(signal))
  }

  async #run(signal: AbortSignal | undefined): Promise<Evicted | undefined> {
    const { index } = this.#parts
    const spells = new Spells(true, signal)
    const latest = this.#usage.now() - IN_USE
    this.#size.beginCount()
    const { size, byPeriod } = await this.#count(latest, spells)
    this.#size.counted = size
    if (this.#size.excess <= 0) return undefined
    this.#notBefore = this.#usage.now() + 1
    await this.#collector.check()
    // Bytes that a damaged index does not know to be held would look free.
    await index.verify()
    const excess = size + this.#size.staged - this.#size.max * TARGET
    const evicted = await this.#evict(excess, cutoffOf(byPeriod, excess), spells)
    const left = size - evicted.bytes
    this.#size.counted = left
    if (this.#size.excess <= 0) this.#notBefore = 0
    return { ...evicted, left }
  }

  /** How many bytes there are, and how many of those that may go by when they were used. */
  async #count(latest: number, spells: Spells): Promise<{ size: number; byPeriod: Map<number, number> }> {
    const byPeriod = new Map<number, number>()
    let size = 0
    for await (const item of this.#content.items()) {
      size += item.size
      const used = await this.#content.lastUse(item)
      if (used <= latest) byPeriod.set(used, (byPeriod.get(used) ?? 0) + item.size)
      await spells.breathe()
    }
    return { size, byPeriod }
  }

  /** Lets go of what was used last before the cutoff, and of that period as much as has to go. */
  async #evict(excess: number, cutoff: number, spells: Spells): Promise<Omit<Evicted, 'left'>> {
    const gone = { manifest: 0, blob: 0 }
    let bytes = 0
    for await (const item of this.#content.items()) {
      const used = await this.#content.lastUse(item)
      if (used < cutoff || (used === cutoff && bytes < excess)) {
        if (await this.#remove(item, cutoff)) {
          gone[item.kind]++
          bytes += item.size
        }
      }
      await spells.breathe()
    }
    await this.#usage.forget(cutoff)
    return { manifests: gone.manifest, blobs: gone.blob, bytes }
  }

  /** False where it has come into use meanwhile, or is gone. */
  async #remove(item: MirroredItem, cutoff: number): Promise<boolean> {
    const examinations = this.#manifests.examinations()
    let removed = false
    const change = async (batch: Batch) => {
      removed = false
      const needed = await this.#content.lastNeed(batch, item)
      if (needed > cutoff) return this.#usage.assume(item.digest, needed)
      for (const repository of item.repositories) {
        if (item.kind === 'manifest') {
          removed = await this.#manifests.remove(batch, repository, item.digest, examinations)
          continue
        }
        const [plugin] = await batch.page(BINARIES, [repository, item.digest], { limit: 1 })
        if (plugin || !(await batch.get(LINKS, repository, item.digest))) continue
        dropBlob(batch, repository, item.digest)
        removed = true
      }
    }
    await examinations.run(() => changePlugins(this.#parts.index, async () => item.repositories, change))
    if (removed && item.kind === 'blob') await removeBytes(this.#parts, item.digest)
    return removed
  }
}

/** The period up to which has to go what makes so many bytes; -1 where there is nothing. */
function cutoffOf(byPeriod: ReadonlyMap<number, number>, excess: number): number {
  const periods = [...byPeriod.keys()].sort((a, b) => a - b)
  let bytes = 0
  for (const period of periods) {
    bytes += byPeriod.get(period) ?? 0
    if (bytes >= excess) return period
  }
  return periods.at(-1) ?? -1
}

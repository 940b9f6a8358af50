import { Batch } from '../../index/batch.ts'
import { del, type Reader } from '../../index/contract.ts'
import { VERDICTS } from '../../index/search-tables.ts'
import { MANIFESTS, type Noted, REPOSITORIES } from '../../index/tables.ts'
import { Spells } from '../../lib/spells.ts'
import type { Digest } from '../../oci/digest.ts'
import type { Repository } from '../../oci/name.ts'
import { changeRepositories } from '../changes.ts'
import { pages, pagesByRepository } from '../pages.ts'
import { isFree, removeBytes } from './free-bytes.ts'
import { type GarbageParts, OLD_INDEXES, type Rule, UNUSED_LINKS } from './garbage-rules.ts'

/** Something that goes: an older composed index, the row of an empty repository, a repository's hold on a blob, a blob's bytes. */
export interface Garbage {
  readonly kind: 'index' | 'repository' | 'link' | 'blob'
  readonly repository?: string
  readonly digest?: string
  /** Of a blob, in bytes. */
  readonly size?: number
}

export interface Swept {
  /** The grace period of the pass, in milliseconds. */
  readonly graceMs: number
  /** What was looked at. */
  readonly links: number
  readonly blobs: number
  /** Of no use, and in the grace period. */
  readonly waiting: number
  /** What went, or would go. */
  readonly gone: Readonly<Record<Garbage['kind'], number>>
  readonly bytes: number
}

export interface SweepOptions {
  /** The grace period of this pass, in milliseconds; that of the settings if it is undefined. */
  readonly graceMs?: number | undefined
  /** Changes nothing, and tells what it would do. */
  readonly dryRun?: boolean
  /** Rests as long as it works, for whom it runs beside. */
  readonly gentle?: boolean
  readonly signal?: AbortSignal | undefined
  /** Hears of everything that goes. */
  readonly onGarbage?: (garbage: Garbage) => Promise<void> | void
}

/**
 * One pass over all rows and blobs. Rows go before the bytes, so whatever ends it in the middle leaves garbage for the
 * next pass and never a row without bytes. Every change is judged anew under the lock that its opposite takes.
 */
export class Sweep {
  readonly #parts: GarbageParts
  readonly #options: SweepOptions
  /** The time at which the pass began. */
  readonly #began: bigint
  /** What was of no use for so long goes; in nanoseconds. */
  readonly #grace: bigint
  readonly #graceMs: number
  readonly #spells: Spells
  /** Holders that a dry run would have taken from a blob before it comes to the blobs. */
  readonly #lost = new Map<string, number>()
  readonly #swept = {
    links: 0,
    blobs: 0,
    waiting: 0,
    gone: { index: 0, repository: 0, link: 0, blob: 0 },
    bytes: 0,
  }

  constructor(parts: GarbageParts, options: SweepOptions) {
    this.#parts = parts
    this.#options = options
    this.#began = parts.clock.now()
    this.#graceMs = options.graceMs ?? parts.policy.gcGrace
    this.#grace = BigInt(this.#graceMs) * 1_000_000n
    this.#spells = new Spells(options.gentle === true, options.signal)
  }

  async run(): Promise<Swept> {
    await this.#rows(OLD_INDEXES)
    await this.#repositories()
    await this.#rows(UNUSED_LINKS)
    await this.#blobs()
    if (!this.#options.dryRun) await this.#verdicts()
    return { graceMs: this.#graceMs, ...this.#swept }
  }

  async #rows<Row extends Noted>(rule: Rule<Row>): Promise<void> {
    const { index } = this.#parts
    for await (const [repository, page] of pagesByRepository(index, rule.table)) {
      if (rule.kind === 'link') this.#swept.links += page.length
      const unneeded: string[] = []
      for (const { key } of page) if (!(await rule.isNeeded(index, ...key))) unneeded.push(key[1])
      if (unneeded.length > 0) await this.#age(rule, repository as Repository, unneeded)
      await this.#spells.breathe()
    }
  }

  /** Notes rows that are of no use, and removes those whose note is older than the grace period. */
  async #age<Row extends Noted>(
    rule: Rule<Row>,
    repository: Repository,
    digests: readonly string[],
  ): Promise<void> {
    const gone: Garbage[] = []
    await this.#change(repository, async batch => {
      const noted: [digest: string, Row][] = []
      for (const digest of digests) {
        const row = await batch.get(rule.table, repository, digest)
        if (!row || (await rule.isNeeded(batch, repository, digest))) continue
        const waited =
          row.unused === undefined ? undefined : this.#parts.clock.since(BigInt(row.unused), this.#began)
        // Without a grace period, a row goes in the pass that finds it, also if its note is from a wrong clock.
        if (this.#grace === 0n || (waited !== undefined && waited >= this.#grace)) {
          rule.remove(batch, [repository, digest])
          gone.push({ kind: rule.kind, repository, digest })
        } else {
          this.#swept.waiting++
          // A note from the future was made by a clock that was wrong.
          if (waited === undefined || waited < 0n) noted.push([digest, row])
        }
      }
      // Only now, when whoever asks sees the notes: who asked before that has the whole grace period.
      const unused = this.#parts.clock.now().toString()
      for (const [digest, row] of noted) batch.put(rule.table, [repository, digest], { ...row, unused })
    })
    for (const garbage of gone) {
      const { kind, digest = '' } = garbage
      if (kind === 'link' && this.#options.dryRun) this.#lost.set(digest, (this.#lost.get(digest) ?? 0) + 1)
      await this.#tell(garbage)
    }
  }

  /** What a delete leaves is clean; this is for what a crash or a repair has left. */
  async #repositories(): Promise<void> {
    for await (const page of pages(this.#parts.index, REPOSITORIES, [])) {
      for (const { key } of page) {
        const repository = key[0] as Repository
        if (!(await isEmpty(this.#parts.index, repository))) continue
        let gone = false
        await this.#change(repository, async batch => {
          gone = await isEmpty(batch, repository)
          if (gone) batch.del(REPOSITORIES, [repository])
        })
        if (gone) await this.#tell({ kind: 'repository', repository })
      }
      await this.#spells.breathe()
    }
  }

  async #blobs(): Promise<void> {
    const { index, store } = this.#parts
    for await (const { digest, size, modified } of store.list()) {
      this.#swept.blobs++
      const age = this.#parts.clock.system() - BigInt(modified.getTime()) * 1_000_000n
      // One that is far ahead was written when the clock was wrong.
      const old = (age < 0n ? -age : age) >= this.#grace
      const free = old && (await isFree(index, digest, this.#lost.get(digest)))
      if (free && (this.#options.dryRun || (await removeBytes(this.#parts, digest))))
        await this.#tell({ kind: 'blob', digest, size })
      await this.#spells.breathe()
    }
  }

  /** What is known about layers whose bytes have gone in another way, such as damage, that nobody has healed. */
  async #verdicts(): Promise<void> {
    const { index, store } = this.#parts
    for await (const page of pages(index, VERDICTS, [])) {
      for (const { key } of page) {
        const layer = key[0] as Digest
        if ((await isFree(index, layer)) && !(await store.stat(layer)))
          await index.apply([del(VERDICTS, [layer])])
      }
      await this.#spells.breathe()
    }
  }

  async #change(repository: Repository, work: (batch: Batch) => Promise<void>): Promise<void> {
    const { index } = this.#parts
    await (this.#options.dryRun ? work(new Batch(index)) : changeRepositories(index, [repository], work))
  }

  async #tell(garbage: Garbage): Promise<void> {
    this.#swept.gone[garbage.kind]++
    this.#swept.bytes += garbage.size ?? 0
    await this.#options.onGarbage?.(garbage)
  }
}

async function isEmpty(reader: Reader, repository: Repository): Promise<boolean> {
  const [manifest] = await reader.page(MANIFESTS, [repository], { limit: 1 })
  return manifest === undefined
}

import { access, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { orAbsent } from '../lib/errno.ts'
import { DurableDisk } from '../store/durable.ts'
import type { Index, Reader } from './contract.ts'
import { Journal } from './journal.ts'
import { changeOf, type Value } from './journaled-writer.ts'
import { LevelIndex } from './level-index.ts'
import { TRUTH } from './tables.ts'

/** Where the truth for a new index comes from: the old one, or the journal where that is lost or damaged. */
export type Source = 'index' | 'journal'

/** The index and its journal, as folders of a storage root. */
export class IndexFolder {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  /** Opens the index, made where the storage is new. Throws where it is missing, damaged, or open elsewhere. */
  async open(report: (error: unknown) => void): Promise<LevelIndex> {
    const journal = await this.#journal()
    if ((await journal.exists()) && !(await this.#present())) throw new IndexMissing(this.#path('index'))
    return LevelIndex.open(this.#path('index'), journal, report)
  }

  /** Lets `fill` make a new index of the truth in the source, and puts it in the place of the old one. Not while it is served. */
  async rebuild<T>(from: Source, fill: (source: Reader, target: Index) => Promise<T>): Promise<T> {
    await rm(this.#path('index.new'), { recursive: true, force: true })
    const source = await (from === 'index' ? this.open(fail) : this.#replayed())
    try {
      const target = await LevelIndex.open(this.#path('index.new'))
      try {
        return await fill(source, target)
      } finally {
        await target.close()
      }
    } finally {
      await source.close()
    }
  }

  /** Puts what `rebuild` made in the place of the index. */
  async replace(): Promise<void> {
    await rm(this.#path('index.old'), { recursive: true, force: true })
    await orAbsent(rename(this.#path('index'), this.#path('index.old')))
    await rename(this.#path('index.new'), this.#path('index'))
    // The new index has all that the segments say.
    const journal = await this.#journal()
    await journal.open(async () => {})
    await journal.begin()
    await journal.close()
    for (const name of ['index.old', 'index.truth'])
      await rm(this.#path(name), { recursive: true, force: true })
  }

  /** The truth in the journal, as an index of its own. */
  async #replayed(): Promise<LevelIndex> {
    const folder = this.#path('index.truth')
    await rm(folder, { recursive: true, force: true })
    const db = new Level<string, Value>(folder, { valueEncoding: 'utf8' })
    await db.open()
    const journal = await this.#journal()
    const prefixes = new Set(TRUTH.map(({ prefix }) => prefix))
    await journal.replay(async entries => {
      const truth = entries.filter(([key]) => prefixes.has(key.slice(0, key.indexOf('\0'))))
      await db.batch(truth.map(changeOf))
    })
    return new LevelIndex(db)
  }

  #journal(): Promise<Journal> {
    return Journal.in(this.#path('journal'), new DurableDisk())
  }

  async #present(): Promise<boolean> {
    return (await orAbsent(access(join(this.#path('index'), 'CURRENT')).then(() => true))) ?? false
  }

  #path(name: string): string {
    return join(this.#root, name)
  }
}

/** The storage has a journal and no index. */
export class IndexMissing extends Error {
  override readonly name = 'IndexMissing'

  constructor(folder: string) {
    super(`${folder} is missing; make it anew: memflow-registry reindex --from-journal`)
  }
}

function fail(error: unknown): never {
  throw error
}

import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { orAbsent } from '../lib/errno.ts'
import type { Fs } from '../lib/file-system.ts'
import type { RegistryError } from '../oci/errors.ts'
import { DurableDisk } from '../store/durable.ts'
import type { Index, Reader } from './contract.ts'
import { describeHole, indexDamaged, JournalDamaged, JournalMissing } from './damage.ts'
import { Journal, type JournalLimits } from './journal.ts'
import { isHole } from './journal-files.ts'
import { changesOf } from './journaled-writer.ts'
import { isLocked, type LevelDb, openLevel, reached, reachedRow, writeLevel } from './level-db.ts'
import { checkFiles } from './level-files.ts'
import { LevelIndex } from './level-index.ts'
import { levelFiles } from './level-manifest.ts'
import { LevelReader } from './level-reader.ts'
import { RepairedLevel } from './repaired-level.ts'
import { removeUnusedStandby } from './standby-level.ts'
import { mergeTruth, replayTruth } from './truth.ts'
import { truthRows } from './truth-rows.ts'

/** Where the truth for a new index comes from: the old one, the journal, or what can be read of both where both are damaged. */
export type Source = 'index' | 'journal' | 'both'

export interface IndexFolderOptions {
  /** For the journal and the folders; LevelDB has its own. */
  readonly fs?: Fs
  readonly limits?: JournalLimits
  /** Bytes: the files of a larger index are checked while it is served already. */
  readonly checkedFirst?: number
}

/** Checked in a tenth of a second. */
const CHECKED_FIRST = 16 * 1024 * 1024

/** Makes an index, empty until then, of the truth. */
type Fill<T> = (truth: Reader, target: Index) => Promise<T>

/** Hears, in words, of what is damaged. */
type Report = (damage: string) => void

/** The index and its journal, as folders of a storage root. */
export class IndexFolder {
  readonly #root: string
  readonly #disk: DurableDisk
  readonly #limits: JournalLimits | undefined
  readonly #checkedFirst: number

  constructor(root: string, { fs, limits, checkedFirst = CHECKED_FIRST }: IndexFolderOptions = {}) {
    this.#root = root
    this.#checkedFirst = checkedFirst
    this.#disk = new DurableDisk(fs)
    this.#limits = limits
  }

  /**
   * Opens the index, made where the storage is new. Its files are checked before, those of a large one behind it.
   * Throws `IndexMissing`, `INDEX_DAMAGED`, `JournalDamaged`, and where it is open elsewhere.
   */
  async open(report: (error: unknown) => void): Promise<LevelIndex> {
    const later = (await this.#size()) > this.#checkedFirst
    if (!later) await this.#check()
    // LevelDB syncs what is in its folder, not the folder's own name.
    await this.#disk.makeFolder(this.#path('index'))
    await removeUnusedStandby(this.#path('index'))
    const index = await LevelIndex.open(this.#path('index'), await this.#journal(), report)
    if (later) index.verifyLater(report)
    return index
  }

  /** Opens the index of a copy, see reading-copy.ts, brought up to the journal. Changes are refused with that error. */
  async openToRead(refusal: RegistryError, onClosed: () => Promise<void>): Promise<LevelIndex> {
    const db = await this.#caughtUp()
    const refuse = () => {
      throw refusal
    }
    const close = async () => {
      await db.close()
      await onClosed()
    }
    return new LevelIndex(db, { write: async () => refuse(), check: refuse, close })
  }

  /**
   * Lets `fill` make a new index, which `replace` puts in the place of the old one. Not while it is served.
   * Throws as `open`; from both it makes what can be made, and reports what is damaged.
   */
  async rebuild<T>(from: Source, fill: Fill<T>, report: Report = () => {}): Promise<T> {
    if (from === 'index') return this.#withIndex(db => this.#filled(new LevelReader(db), fill))
    const holder = await this.#hold()
    try {
      return await (from === 'journal' ? this.#fromJournal(fill) : this.#fromBoth(fill, report))
    } finally {
      await holder?.close()
    }
  }

  /**
   * The same for a look at the old index, whose rows, but for damaged ones, `fill` has as well. The truth is the
   * journal's, and the index's own where the journal is damaged. Throws where both are.
   */
  async examine<T>(
    fill: (truth: Reader, target: Index, index: Reader) => Promise<T>,
    damaged: { readonly row: (key: string) => void; readonly journal: Report },
  ): Promise<T> {
    return this.#withIndex(async db => {
      const rows = new Set<string>()
      const index = new LevelReader(db, {
        onDamaged: key => {
          if (!rows.has(key)) damaged.row(key)
          rows.add(key)
        },
      })
      const { holes } = await (await this.#journal()).files.survey(reached(db))
      for (const hole of holes) damaged.journal(describeHole(hole))
      const compare: Fill<T> = (truth, target) => fill(truth, target, index)
      return holes.length === 0 ? this.#fromJournal(compare) : this.#filled(new LevelReader(db), compare)
    })
  }

  /** Gives up what `rebuild` or `examine` made. */
  discard(): Promise<void> {
    return this.#remove('index.new')
  }

  /**
   * Puts what was rebuilt in the place of the index, and a snapshot of it in the place of the journal. What was there
   * goes, or is kept in a folder, which is answered.
   */
  async replace({ keep = false }: { keep?: boolean } = {}): Promise<string> {
    const old = this.#path(keep ? `damaged-${new Date().toISOString().replaceAll(':', '')}` : 'index.old')
    await this.#remove('index.old')
    await this.#disk.makeFolder(old)
    const journal = await this.#journal()
    const { last } = await journal.files.survey(await this.#reached())
    const db = await openLevel(this.#path('index.new'))
    try {
      await writeLevel(db, [reachedRow(last)], { sync: true })
      await journal.restart(last, truthRows(db), keep ? old : undefined)
    } finally {
      await db.close()
    }
    await orAbsent(this.#disk.move(this.#path('index'), join(old, 'index')))
    await this.#disk.move(this.#path('index.new'), this.#path('index'))
    await this.#remove('index.old')
    return old
  }

  /** Lends the index as it is, brought up to the journal. */
  async #withIndex<T>(use: (db: LevelDb) => Promise<T>): Promise<T> {
    const db = await this.#caughtUp()
    try {
      return await use(db)
    } finally {
      await db.close()
    }
  }

  /** Opens the index and brings it up to the journal: of that it needs what the index lacks, and no more. */
  async #caughtUp(): Promise<LevelDb> {
    await removeUnusedStandby(this.#path('index'))
    await this.#check()
    const db = await openLevel(this.#path('index'))
    try {
      const { files } = await this.#journal()
      const from = reached(db)
      const { base, holes } = await files.survey(from)
      const lost = holes.find(({ last }) => last > from)
      if (lost) throw new JournalDamaged(lost, from)
      if (from < base) throw indexDamaged(`the index, which lacks changes ${from + 1} to ${base},`)
      for await (const line of files.read())
        if (!isHole(line) && line.number > from) await writeLevel(db, changesOf(line))
      return db
    } catch (error) {
      await db.close()
      throw error
    }
  }

  async #fromJournal<T>(fill: Fill<T>): Promise<T> {
    const { files } = await this.#journal()
    if (!(await files.any())) throw new JournalMissing(await this.#hasRows())
    const [hole] = (await files.survey(0)).holes
    // There is nothing to look it up in.
    if (hole) throw new JournalDamaged(hole, -1)
    return this.#withTruth(db => replayTruth(files, db), fill)
  }

  async #fromBoth<T>(fill: Fill<T>, report: Report): Promise<T> {
    const old = await RepairedLevel.of(this.#path('index'), this.#path('index.copy'), report)
    try {
      const { files } = await this.#journal()
      const { holes } = await files.survey(old.reached)
      for (const hole of holes) report(describeHole(hole))
      return await this.#withTruth(db => mergeTruth(files, holes, old, db, report), fill)
    } finally {
      await old.close()
    }
  }

  /** Fills from an index of truth alone. */
  async #withTruth<T>(make: (db: LevelDb) => Promise<void>, fill: Fill<T>): Promise<T> {
    await this.#remove('index.truth')
    const db = await openLevel(this.#path('index.truth'))
    try {
      await make(db)
      return await this.#filled(new LevelReader(db), fill)
    } finally {
      await db.close()
      await this.#remove('index.truth')
    }
  }

  async #filled<T>(truth: Reader, fill: Fill<T>): Promise<T> {
    await this.#remove('index.new')
    const target = await LevelIndex.open(this.#path('index.new'))
    try {
      return await fill(truth, target)
    } finally {
      await target.close()
    }
  }

  /** Keeps others from opening the index, where it can be opened at all. Throws where it is open elsewhere. */
  async #hold(): Promise<LevelDb | undefined> {
    await removeUnusedStandby(this.#path('index'))
    try {
      return await openLevel(this.#path('index'), { createIfMissing: false })
    } catch (error) {
      if (isLocked(error)) throw error
      return undefined
    }
  }

  /** How far the index has come, as far as that can be told. */
  async #reached(): Promise<number> {
    const db = await this.#hold()
    try {
      return db ? reached(db) : 0
    } catch {
      return 0
    } finally {
      await db?.close()
    }
  }

  #journal(): Promise<Journal> {
    return Journal.in(this.#path('journal'), this.#disk, this.#limits)
  }

  /** Throws where the index is damaged, or missing though there was one. */
  async #check(): Promise<void> {
    if (await this.#hasRows()) return checkFiles(this.#path('index'))
    const { files } = await this.#journal()
    if (await files.any()) throw new IndexMissing(this.#path('index'))
  }

  async #hasRows(): Promise<boolean> {
    const names = (await orAbsent(readdir(this.#path('index')))) ?? []
    return names.some(name => /^CURRENT$|\.ldb$/.test(name))
  }

  /** Of the table files, in bytes; 0 where nothing tells which ones there are. */
  async #size(): Promise<number> {
    const files = await levelFiles(this.#path('index'))
    return [...(files?.tables.values() ?? [])].reduce((sum, { size }) => sum + size, 0)
  }

  #remove(name: string): Promise<void> {
    return rm(this.#path(name), { recursive: true, force: true })
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

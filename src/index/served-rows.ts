import type { Level } from 'level'
import type { Op, Reader, Snapshot } from './contract.ts'
import type { Value } from './level-db.ts'
import { LevelReader, type Trust } from './level-reader.ts'
import { Ops } from './ops.ts'
import { Overlay } from './overlay.ts'

/** For so long iterators and snapshots of a LevelDB that is to be closed may go on, in milliseconds. */
const PATIENCE_MS = 30_000

/** What the index reads: a LevelDB, and over it the changes that the journal has and LevelDB has not. */
export class ServedRows {
  readonly trust: Trust = {}
  #db: Level<string, Value>
  #base: LevelReader
  #reader: Reader
  #owed = new Ops()

  constructor(db: Level<string, Value>) {
    this.#db = db
    this.#base = new LevelReader(db, { trust: this.trust })
    this.#reader = this.#base
  }

  /** The LevelDB that is read. */
  get db(): Level<string, Value> {
    return this.#db
  }

  get reader(): Reader {
    return this.#reader
  }

  /** From now on these changes are read, until `settle`. */
  owe(ops: readonly Op[]): void {
    for (const op of ops) this.#owed.set(op)
    this.#layOver()
  }

  /**
   * From now on this other LevelDB is read, which has the same rows. Resolves when the one before is read no more, or
   * has been for as long as it may: it can be closed then.
   */
  async move(db: Level<string, Value>): Promise<void> {
    const before = this.#base
    this.#db = db
    this.#base = new LevelReader(db, { trust: this.trust })
    this.#layOver()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>(resolve => {
      timer = setTimeout(resolve, PATIENCE_MS).unref()
    })
    await Promise.race([before.unused(), late])
    clearTimeout(timer)
  }

  /** As `move`, to a LevelDB that has all changes that were owed. */
  settle(db: Level<string, Value>): Promise<void> {
    // Not cleared: a snapshot may have it.
    this.#owed = new Ops()
    return this.move(db)
  }

  /** The rows of this moment. */
  snapshot(): Snapshot {
    const snapshot = this.#db.snapshot()
    let release: (() => void) | undefined = this.#base.hold()
    const base = new LevelReader(this.#db, { snapshot, trust: this.trust })
    const reader = this.#owed.size === 0 ? base : new Overlay(base, this.#owed.copy())
    return {
      get: (table, ...key) => reader.get(table, ...key),
      getMany: (table, keys) => reader.getMany(table, keys),
      page: (table, parts, page) => reader.page(table, parts, page),
      scan: (table, parts, options) => reader.scan(table, parts, options),
      close: async () => {
        release?.()
        release = undefined
        await snapshot.close()
      },
    }
  }

  #layOver(): void {
    this.#reader = this.#owed.size === 0 ? this.#base : new Overlay(this.#base, this.#owed)
  }
}

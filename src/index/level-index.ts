import { setTimeout as sleep } from 'node:timers/promises'
import type { Level } from 'level'
import { KeyedLock } from '../lib/keyed-lock.ts'
import { RegistryError } from '../oci/errors.ts'
import { storageError } from '../oci/storage-error.ts'
import type { Entry, Index, Op, Page, Reader, Rows, Scan, Snapshot, Table, Unchanged } from './contract.ts'
import { GroupCommit } from './group-commit.ts'
import type { Journal } from './journal.ts'
import { JournaledWriter } from './journaled-writer.ts'
import { encodeKey } from './keys.ts'
import { type Change, type LevelDb, openLevel, type Value, writeLevel } from './level-db.ts'
import { checkFiles } from './level-files.ts'
import { encodingOf } from './level-reader.ts'
import { Ops } from './ops.ts'
import { Overlay } from './overlay.ts'
import { ServedRows } from './served-rows.ts'
import { Stamps } from './stamps.ts'

/** Until a file that could not be read is looked at again, in milliseconds. */
const VERIFY_AGAIN_MS = 1000

/** Makes changes durable, all or nothing. One call at a time. */
interface Writer {
  /** The same changes in both forms. When it resolves they are read. */
  write(changes: readonly Change[], ops: readonly Op[]): Promise<void>
  /** Throws, saying why, if it takes no changes at the moment. */
  check(): void
  close(): Promise<void>
}

/** The index in LevelDB. */
export class LevelIndex implements Index {
  readonly #db: Level<string, Value>
  readonly #rows: ServedRows
  readonly #writer: Writer
  readonly #locks = new KeyedLock()
  readonly #commits: GroupCommit<Op>
  /** What is on its way. */
  readonly #pending = new Ops()
  readonly latest: Reader = new Overlay(this, this.#pending)
  #failures = 0
  #failure: unknown
  readonly #stamps = new Stamps()
  readonly #closing = new AbortController()

  /** Without a writer the database syncs every batch itself. */
  constructor(
    db: Level<string, Value>,
    writer: Writer = {
      write: changes => writeLevel(db, changes, { sync: true }),
      check: () => {},
      close: () => db.close(),
    },
    rows = new ServedRows(db),
  ) {
    this.#db = db
    this.#rows = rows
    this.#writer = writer
    this.#commits = new GroupCommit(
      ops => this.#commit(ops),
      error => {
        this.#failures++
        this.#failure = error
        this.#pending.clear()
      },
    )
  }

  /**
   * Opens, or makes, the LevelDB in that folder, behind a journal where one is given; `report` hears of failures
   * in the background. Throws where another process has it open.
   */
  static async open(
    folder: string,
    journal?: Journal,
    report: (error: unknown) => void = () => {},
  ): Promise<LevelIndex> {
    const db = await openLevel(folder)
    if (!journal) return new LevelIndex(db)
    try {
      const rows = new ServedRows(db)
      return new LevelIndex(db, await JournaledWriter.open(db, journal, rows, report), rows)
    } catch (error) {
      await journal.close()
      await db.close()
      throw error
    }
  }

  get<Key extends readonly string[], Row>(table: Table<Key, Row>, ...key: Key): Promise<Row | undefined> {
    return this.#rows.reader.get(table, ...key)
  }

  getMany<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    keys: readonly Readonly<Key>[],
  ): Promise<(Row | undefined)[]> {
    return this.#rows.reader.getMany(table, keys)
  }

  page<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    parts: readonly string[],
    page?: Page,
  ): Promise<Entry<Key, Row>[]> {
    return this.#rows.reader.page(table, parts, page)
  }

  scan<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    parts: readonly string[],
    options?: Scan,
  ): AsyncIterable<Entry<Key, Row>> {
    return this.#rows.reader.scan(table, parts, options)
  }

  snapshot(): Snapshot {
    return this.#rows.snapshot()
  }

  get failures(): number {
    return this.#failures
  }

  async apply(ops: readonly Op[], failures = this.#failures): Promise<void> {
    if (failures !== this.#failures) throw this.#failure
    if (ops.length === 0) return
    const coming = ops.map(op => [this.#pending.set(op), op] as const)
    await this.#commits.add(ops)
    for (const [key, op] of coming) this.#pending.delete(key, op)
  }

  exclusive<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    return this.#locks.run(keys, work)
  }

  shared<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    return this.#locks.share(keys, work)
  }

  attempt<T>(keys: readonly string[], work: () => Promise<T>): Promise<T | undefined> {
    return this.#locks.attempt(keys, work)
  }

  watch(...rows: readonly Rows[]): Unchanged {
    return this.#stamps.watch(rows)
  }

  /** Checks the files while it is served already; what is not found waits for it. `report` is called with damage. */
  verifyLater(report: (error: unknown) => void): void {
    const { trust } = this.#rows
    trust.checking = this.#verified(report).then(
      () => {
        trust.checking = undefined
      },
      error => {
        report(error)
        throw error
      },
    )
    trust.checking.catch(() => {})
  }

  /** A file that cannot be read for now is looked at again: nothing is known of it. */
  async #verified(report: (error: unknown) => void): Promise<void> {
    for (let told = false; ; told = true) {
      try {
        await this.verify()
        return
      } catch (error) {
        if (this.#closing.signal.aborted || this.#rows.trust.damage) throw error
        if (!told) report(error)
      }
      await sleep(VERIFY_AGAIN_MS, undefined, { signal: this.#closing.signal, ref: false }).catch(() => {})
    }
  }

  async verify(): Promise<void> {
    await checkFiles((this.#db as LevelDb).location).catch(error => {
      if (error instanceof RegistryError) this.#rows.trust.damage = error
      throw error
    })
  }

  async checkReads(): Promise<void> {
    const { trust, db } = this.#rows
    if (trust.damage) throw trust.damage
    if (db.status !== 'open') throw new Error(`the index is ${db.status}`)
    db.getSync('check')
  }

  async check(): Promise<void> {
    await this.checkReads()
    this.#writer.check()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#rows.trust.checking?.catch(() => {})
    await this.#writer.close()
  }

  /** What fails leaves no trace: the rows are as before. */
  async #commit(ops: Op[]): Promise<void> {
    this.#stamps.begin(ops)
    try {
      await this.#writer.write(ops.map(changeOf), ops)
    } catch (error) {
      throw storageError(error)
    } finally {
      this.#stamps.end()
    }
  }
}

function changeOf({ table, key, row }: Op): Change {
  const at = encodeKey(table.prefix, key)
  if (row === undefined) return { type: 'del', key: at }
  const value = table.encoding === 'bytes' ? (row as Uint8Array) : JSON.stringify(row)
  return { type: 'put', key: at, value, ...encodingOf(table) }
}

import type { Level } from 'level'
import { KeyedLock } from '../lib/keyed-lock.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Index, Op, Reader, Rows, Snapshot, Unchanged } from './contract.ts'
import { GroupCommit } from './group-commit.ts'
import type { Journal } from './journal.ts'
import { JournaledWriter } from './journaled-writer.ts'
import { encodeKey } from './keys.ts'
import { type Change, type LevelDb, openLevel, type Value, writeLevel } from './level-db.ts'
import { checkFiles } from './level-files.ts'
import { encodingOf, LevelReader } from './level-reader.ts'
import { Ops } from './ops.ts'
import { Overlay } from './overlay.ts'
import { Stamps } from './stamps.ts'

/** Makes changes durable, all or nothing. One call at a time. */
interface Writer {
  write(changes: readonly Change[]): Promise<void>
  /** Throws `READ_ONLY` where it can take nothing any more. */
  check(): void
  close(): Promise<void>
}

/** The index in LevelDB. */
export class LevelIndex extends LevelReader implements Index {
  readonly #db: Level<string, Value>
  readonly #writer: Writer
  readonly #locks = new KeyedLock()
  readonly #commits: GroupCommit<Op>
  /** What is on its way. */
  readonly #pending = new Ops()
  readonly latest: Reader = new Overlay(this, this.#pending)
  #failures = 0
  #failure: unknown
  readonly #stamps = new Stamps()

  /** Without a writer the database syncs every batch itself. */
  constructor(
    db: Level<string, Value>,
    writer: Writer = {
      write: changes => writeLevel(db, changes, { sync: true }),
      check: () => {},
      close: () => db.close(),
    },
  ) {
    super(db)
    this.#db = db
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
      return new LevelIndex(db, await JournaledWriter.open(db, journal, report))
    } catch (error) {
      await journal.close()
      await db.close()
      throw error
    }
  }

  snapshot(): Snapshot {
    const snapshot = this.#db.snapshot()
    return Object.assign(new LevelReader(this.#db, { snapshot, checking: this.checking }), {
      close: () => snapshot.close(),
    })
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

  /** Checks the files while it is served already; what is not found waits for it. `report` hears of damage. */
  verifyLater(report: (error: unknown) => void): void {
    this.checking = this.verify().then(
      () => {
        this.checking = undefined
      },
      error => {
        // Nor can be trusted what could not be looked at.
        this.damage = error
        report(error)
        throw error
      },
    )
    this.checking.catch(() => {})
  }

  async verify(): Promise<void> {
    await checkFiles((this.#db as LevelDb).location).catch(error => {
      if (error instanceof RegistryError) this.damage = error
      throw error
    })
  }

  async check(): Promise<void> {
    if (this.damage) throw this.damage
    if (this.#db.status !== 'open') throw new Error(`the index is ${this.#db.status}`)
    this.#db.getSync('check')
    this.#writer.check()
  }

  async close(): Promise<void> {
    await this.checking?.catch(() => {})
    await this.#writer.close()
  }

  /** What fails may be half done, and is through with the next one that does not. */
  async #commit(ops: Op[]): Promise<void> {
    this.#stamps.begin(ops)
    try {
      await this.#writer.write(ops.map(changeOf))
      this.#stamps.end()
    } catch (cause) {
      // LevelDB tells the errors of the system in words.
      const words = `${cause} ${(cause as Error).cause}`
      if (!/no space left|disk quota/i.test(words)) throw cause
      throw new RegistryError('STORAGE_FULL', { cause })
    }
  }
}

function changeOf({ table, key, row }: Op): Change {
  const at = encodeKey(table.prefix, key)
  if (row === undefined) return { type: 'del', key: at }
  const value = table.encoding === 'bytes' ? (row as Uint8Array) : JSON.stringify(row)
  return { type: 'put', key: at, value, ...encodingOf(table) }
}

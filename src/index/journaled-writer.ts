import type { Level } from 'level'
import type { Journal } from './journal.ts'
import type { JournalEntry } from './journal-line.ts'
import { keyRange } from './keys.ts'
import { TRUTH } from './tables.ts'

export type Value = string | Uint8Array
/** What `level` is on Node.js; its types leave out what browsers lack. */
export type LevelDb = Level<string, Value> & {
  compactRange(start: string, end: string): Promise<void>
}

/** A change of one row, as LevelDB takes it. */
export type Change =
  | {
      readonly type: 'put'
      readonly key: string
      readonly value: Value
      readonly valueEncoding: 'utf8' | 'view'
    }
  | { readonly type: 'del'; readonly key: string }

/** Segments smaller than this, in bytes, are not worth a snapshot. */
const SNAPSHOT_FROM = 64 * 1024 * 1024

/** Rows of a snapshot in one line. */
const LINE_ROWS = 128

/** Behind every key there is. */
const END = '\u{10ffff}'

/**
 * Writes LevelDB behind a journal: a change is durable when the journal has it. LevelDB follows without a sync of its
 * own; what it loses in a crash, or refuses on a full disk, it is given again.
 */
export class JournaledWriter {
  readonly #db: LevelDb
  readonly #journal: Journal
  readonly #report: (error: unknown) => void
  /** What the journal has and LevelDB does not. */
  #owed: Change[] = []
  #snapshot: Promise<void> | undefined

  private constructor(db: LevelDb, journal: Journal, report: (error: unknown) => void) {
    this.#db = db
    this.#journal = journal
    this.#report = report
  }

  /** Brings the open LevelDB up to the journal; `report` hears of failures that no request is told of. */
  static async open(
    db: LevelDb,
    journal: Journal,
    report: (error: unknown) => void,
  ): Promise<JournaledWriter> {
    await journal.open(entries => db.batch(entries.map(changeOf)))
    return new JournaledWriter(db, journal, report)
  }

  /** Durable when it resolves. One call at a time. */
  async write(changes: readonly Change[]): Promise<void> {
    await this.#settle()
    await this.#journal.append(changes.map(entryOf))
    this.#owed.push(...changes)
    await this.#settle()
    if (this.#journal.full) await this.#rotate()
  }

  check(): void {
    this.#journal.check()
  }

  /** Ends both, so that the next start has nothing to read again. */
  async close(): Promise<void> {
    await this.#snapshot
    if (this.#owed.length === 0) await this.#rotate().catch(this.#report)
    await this.#journal.close()
    await this.#db.close()
  }

  /** Writes what LevelDB is owed. After some failures it takes nothing any more until it is opened again. */
  async #settle(): Promise<void> {
    if (this.#owed.length === 0) return
    try {
      await this.#db.batch(this.#owed)
    } catch (error) {
      this.#report(error)
      await this.#db.close()
      await this.#db.open()
      await this.#db.batch(this.#owed)
    }
    this.#owed = []
  }

  /** Begins a segment, once LevelDB has all that the older ones say on disk. */
  async #rotate(): Promise<void> {
    // Compacting any range, an empty one too, has the rows in memory written to a table, and that synced.
    await this.#db.compactRange(END, END)
    const number = await this.#journal.begin()
    const { segments, snapshot } = await this.#journal.sizes()
    if (this.#snapshot || segments < Math.max(SNAPSHOT_FROM, 2 * snapshot)) return
    // An iterator sees the rows as they are when it is made, whatever is written meanwhile.
    const tables = TRUTH.map(({ prefix }) => rowsOf(this.#db, prefix))
    this.#snapshot = this.#journal
      .snapshot(number, linesOf(tables))
      .catch(this.#report)
      .finally(() => {
        this.#snapshot = undefined
      })
  }
}

function rowsOf(db: LevelDb, prefix: string) {
  return db.iterator<string, string>({ ...keyRange(prefix, []), valueEncoding: 'utf8' })
}

async function* linesOf(tables: ReturnType<typeof rowsOf>[]): AsyncIterable<JournalEntry[]> {
  try {
    for (const table of tables) {
      while (true) {
        const rows = await table.nextv(LINE_ROWS)
        if (rows.length === 0) break
        yield rows
      }
    }
  } finally {
    await Promise.all(tables.map(table => table.close()))
  }
}

function entryOf(change: Change): JournalEntry {
  return [change.key, change.type === 'put' ? textOf(change.value) : null]
}

export function changeOf([key, value]: JournalEntry): Change {
  return value === null ? { type: 'del', key } : { type: 'put', key, value, valueEncoding: 'utf8' }
}

/** Every value is UTF-8: rows are JSON, and so are manifests. */
function textOf(value: Value): string {
  return typeof value === 'string'
    ? value
    : Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString()
}

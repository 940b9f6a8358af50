import { setImmediate } from 'node:timers/promises'
import type { Journal } from './journal.ts'
import type { JournalEntry, JournalLine } from './journal-line.ts'
import { type Change, type LevelDb, reached, reachedRow, type Value, writeLevel } from './level-db.ts'
import { truthRows } from './truth-rows.ts'

/** Bytes of a row that takes a millisecond or so. */
const LARGE = 256 * 1024

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

  /**
   * Brings the open LevelDB up to the journal; `report` hears of failures that no request is told of.
   * Throws `JournalDamaged`, `INDEX_DAMAGED`.
   */
  static async open(
    db: LevelDb,
    journal: Journal,
    report: (error: unknown) => void,
  ): Promise<JournaledWriter> {
    await journal.open(reached(db), line => writeLevel(db, changesOf(line)))
    return new JournaledWriter(db, journal, report)
  }

  /** Durable when it resolves. One call at a time. */
  async write(changes: readonly Change[]): Promise<void> {
    await this.#settle()
    const number = await this.#journal.append(await entriesOf(changes))
    this.#owed.push(...changes, reachedRow(number))
    await this.#settle()
    // The change is durable whatever becomes of this, and the next one tries again.
    if (this.#journal.full) await this.#rotate().catch(this.#report)
  }

  check(): void {
    this.#journal.check()
  }

  /** Ends both, so that the next start has nothing to read again. */
  async close(): Promise<void> {
    if (this.#owed.length === 0) await this.#rotate().catch(this.#report)
    await this.#snapshot
    await this.#journal.close()
    await this.#db.close()
  }

  /** Writes what LevelDB is owed. After some failures it takes nothing any more until it is opened again. */
  async #settle(): Promise<void> {
    if (this.#owed.length === 0) return
    try {
      await writeLevel(this.#db, this.#owed)
    } catch (error) {
      this.#report(error)
      await this.#db.close()
      await this.#db.open()
      await writeLevel(this.#db, this.#owed)
    }
    this.#owed = []
  }

  /** Begins a segment, once LevelDB has all that the older ones say on disk. */
  async #rotate(): Promise<void> {
    // Compacting any range, an empty one too, has the rows in memory written to a table, and that synced.
    await this.#db.compactRange(END, END)
    const number = await this.#journal.begin()
    if (this.#snapshot || !(await this.#journal.overgrown())) return
    this.#snapshot = this.#journal
      .snapshot(number, truthRows(this.#db))
      .catch(this.#report)
      .finally(() => {
        this.#snapshot = undefined
      })
  }
}

/** A line of the journal, as LevelDB takes it. */
export function changesOf({ number, entries }: JournalLine): Change[] {
  return [...entries.map(changeOf), reachedRow(number)]
}

function changeOf([key, value]: JournalEntry): Change {
  return value === null ? { type: 'del', key } : { type: 'put', key, value, valueEncoding: 'utf8' }
}

/** Other work of the event loop is done between large rows. */
async function entriesOf(changes: readonly Change[]): Promise<JournalEntry[]> {
  const entries: JournalEntry[] = []
  for (const change of changes) {
    entries.push(entryOf(change))
    if (change.type === 'put' && change.value.length > LARGE) await setImmediate()
  }
  return entries
}

function entryOf(change: Change): JournalEntry {
  return [change.key, change.type === 'put' ? textOf(change.value) : null]
}

/** Every value is UTF-8: rows are JSON, and so are manifests. */
function textOf(value: Value): string {
  return typeof value === 'string'
    ? value
    : Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString()
}

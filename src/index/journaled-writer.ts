import { setImmediate } from 'node:timers/promises'
import { Retry } from '../lib/retry.ts'
import { spareDescriptors } from '../lib/spare-descriptors.ts'
import { RegistryError } from '../oci/errors.ts'
import { storageError } from '../oci/storage-error.ts'
import type { Op } from './contract.ts'
import type { Journal } from './journal.ts'
import type { JournalEntry, JournalLine } from './journal-line.ts'
import {
  type Change,
  flushLevel,
  type LevelDb,
  reached,
  reachedRow,
  reopenLevel,
  type Value,
  writeLevel,
} from './level-db.ts'
import type { ServedRows } from './served-rows.ts'
import { StandbyLevel } from './standby-level.ts'
import { truthRows } from './truth-rows.ts'

/** Bytes of a row that takes a millisecond or so. */
const LARGE = 256 * 1024

/** Bytes of the journal that LevelDB may lack before changes are refused: they are in memory, and a start reads them again. */
const OWED_LIMIT = 8 * 1024 * 1024

/** Why something cannot be written at the moment. */
interface Failure {
  readonly error: unknown
  readonly since: Date
}

/** What the journal has and LevelDB does not. */
class Owed {
  /** By key: the last change of a row counts. */
  readonly changes = new Map<string, Change>()
  bytes = 0
}

/**
 * Writes LevelDB behind a journal: a change is durable when the journal has it. LevelDB follows without a sync of its
 * own, and what it loses in a crash it is given again.
 *
 * What LevelDB refuses, on a full disk or without a descriptor, is read from memory until LevelDB has it. After a
 * failure LevelDB may take nothing any more until it is opened again, and what its log has behind a torn record may be
 * lost. So it is written to no more, is opened again in the background, and a copy of it is read meanwhile.
 */
export class JournaledWriter {
  readonly #db: LevelDb
  readonly #journal: Journal
  readonly #rows: ServedRows
  readonly #report: (error: unknown) => void
  /** The last change that LevelDB took before it failed. */
  #settled: number
  #last: number
  #owed = new Owed()
  #levelFailure: Failure | undefined
  #journalFailure: Failure | undefined
  #standby: StandbyLevel | undefined
  readonly #recovery = new Retry(() => this.#recover())
  /** What was reported last of the recovery. */
  #reported = ''
  #turn: Promise<unknown> = Promise.resolve()
  #snapshot: Promise<void> | undefined

  private constructor(db: LevelDb, journal: Journal, rows: ServedRows, report: (error: unknown) => void) {
    this.#db = db
    this.#journal = journal
    this.#rows = rows
    this.#report = report
    this.#settled = reached(db)
    this.#last = this.#settled
  }

  /**
   * Brings the open LevelDB up to the journal; `report` is called with failures that no request is told of.
   * `rows` are read from it, see `ServedRows`. Throws `JournalDamaged`, `INDEX_DAMAGED`.
   */
  static async open(
    db: LevelDb,
    journal: Journal,
    rows: ServedRows,
    report: (error: unknown) => void,
  ): Promise<JournaledWriter> {
    await journal.open(reached(db), line => writeLevel(db, changesOf(line)))
    return new JournaledWriter(db, journal, rows, report)
  }

  /**
   * Durable, and read, when it resolves. Throws `STORAGE_FULL`, `READ_ONLY`, `OUT_OF_DESCRIPTORS`; then nothing of it
   * stays. One call at a time.
   */
  write(changes: readonly Change[], ops: readonly Op[]): Promise<void> {
    return this.#alone(async () => {
      if (this.#levelFailure) this.#recovery.soon()
      this.#assertRoom()
      const { number, bytes } = await this.#append(changes)
      this.#last = number
      if (this.#levelFailure || !(await this.#settle(changes, number))) {
        for (const change of changes) this.#owed.changes.set(change.key, change)
        this.#owed.bytes += bytes
        this.#rows.owe(ops)
        return
      }
      // The change is durable whatever becomes of this, and the next one tries again.
      if (this.#journal.full) await this.#rotate().catch(this.#report)
    })
  }

  /** Throws, saying why and since when, if changes are refused. */
  check(): void {
    this.#journal.check()
    if (this.#journalFailure) throw refusal('the journal', this.#journalFailure)
    this.#assertRoom()
  }

  /** Ends both; if LevelDB has all, the next start has nothing to read again. */
  async close(): Promise<void> {
    await this.#recovery.stop()
    await this.#turn
    if (!this.#levelFailure) await this.#rotate().catch(this.#report)
    await this.#snapshot
    await this.#journal.close()
    await this.#db.close()
    await this.#standby?.close()
  }

  #assertRoom(): void {
    if (this.#levelFailure && this.#owed.bytes >= OWED_LIMIT) throw refusal('LevelDB', this.#levelFailure)
  }

  async #append(changes: readonly Change[]): Promise<{ number: number; bytes: number }> {
    try {
      const appended = await this.#journal.append(await entriesOf(changes))
      this.#journalFailure = undefined
      return appended
    } catch (error) {
      this.#journalFailure ??= { error, since: new Date() }
      this.#recovery.begin()
      throw error
    }
  }

  /** False if LevelDB does not take them. */
  async #settle(changes: readonly Change[], number: number): Promise<boolean> {
    try {
      await writeLevel(this.#db, [...changes, reachedRow(number)])
      this.#settled = number
      return true
    } catch (error) {
      this.#report(error)
      this.#levelFailure = { error, since: new Date() }
      this.#recovery.begin()
      return false
    }
  }

  /** Runs alone among changes and what recovery does with them. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#turn.then(work)
    this.#turn = run.catch(() => {})
    return run
  }

  /** Sees whether what has failed can be written again. Returns whether all can. */
  async #recover(): Promise<boolean> {
    try {
      if (this.#levelFailure) await this.#reopen()
      if (this.#journalFailure) await this.#probe()
      this.#reported = ''
      return true
    } catch (error) {
      if (`${error}` !== this.#reported) this.#report(error)
      this.#reported = `${error}`
      return false
    }
  }

  async #probe(): Promise<void> {
    await this.#alone(async () => {
      await this.#journal.probe()
      this.#journalFailure = undefined
    })
  }

  /**
   * Opens LevelDB again. Until there is a copy that can be read it stays as it is, and until it has all changes the copy
   * is read, whatever fails on the way.
   */
  async #reopen(): Promise<void> {
    if (!this.#standby) {
      this.#standby = await spareDescriptors.lend(() => StandbyLevel.of(this.#db, this.#settled))
      await this.#rows.move(this.#standby.db)
    }
    // In an object: the next change need not wait for it.
    const { unused } = await spareDescriptors.lend(async () => {
      await this.#db.close()
      await reopenLevel(this.#db)
      // Its log may have lost what was written before, too.
      await this.#journal.replay(reached(this.#db), line => writeLevel(this.#db, changesOf(line)))
      return this.#alone(async () => {
        await writeLevel(this.#db, [...this.#owed.changes.values(), reachedRow(this.#last)])
        this.#settled = this.#last
        this.#owed = new Owed()
        this.#levelFailure = undefined
        return { unused: this.#rows.settle(this.#db) }
      })
    })
    await unused
    const standby = this.#standby
    this.#standby = undefined
    await spareDescriptors.lend(() => standby.close()).catch(this.#report)
  }

  /** Begins a segment, once LevelDB has all that the older ones say on disk. */
  async #rotate(): Promise<void> {
    await flushLevel(this.#db)
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

/** What a client is told whose change is refused, and a readiness check. */
function refusal(part: string, { error, since }: Failure): RegistryError {
  const meaning = storageError(error)
  const told =
    meaning instanceof RegistryError
      ? meaning
      : new RegistryError('READ_ONLY', {
          message: 'the registry takes no writes at the moment; its log says why',
        })
  return new RegistryError(told.error, {
    message: `${told.message} (${part} fails since ${since.toISOString()})`,
    headers: told.headers,
    cause: error,
  })
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

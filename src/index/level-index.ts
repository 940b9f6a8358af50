import { Level } from 'level'
import { KeyedLock } from '../lib/keyed-lock.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Entry, Index, Op, Page, Scan, Table } from './contract.ts'
import { GroupCommit } from './group-commit.ts'
import type { Journal } from './journal.ts'
import { type Change, JournaledWriter, type LevelDb, type Value } from './journaled-writer.ts'
import { decodeKey, encodeKey, keyRange } from './keys.ts'

/** Makes changes durable, all or nothing. One call at a time. */
interface Writer {
  write(changes: readonly Change[]): Promise<void>
  /** Throws `READ_ONLY` where it can take nothing any more. */
  check(): void
  close(): Promise<void>
}

/** How many entries a scan reads ahead. */
const STEP = 64

/** The index in LevelDB. */
export class LevelIndex implements Index {
  readonly #db: Level<string, Value>
  readonly #writer: Writer
  readonly #locks = new KeyedLock()
  readonly #commits: GroupCommit<Op>

  /** Without a writer the database syncs every batch itself. */
  constructor(
    db: Level<string, Value>,
    writer: Writer = {
      write: changes => db.batch([...changes], { sync: true }),
      check: () => {},
      close: () => db.close(),
    },
  ) {
    this.#db = db
    this.#writer = writer
    this.#commits = new GroupCommit(ops => this.#commit(ops))
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
    const db = new Level<string, Value>(folder, { valueEncoding: 'utf8' })
    await db.open()
    if (!journal) return new LevelIndex(db)
    try {
      return new LevelIndex(db, await JournaledWriter.open(db as LevelDb, journal, report))
    } catch (error) {
      await db.close()
      throw error
    }
  }

  async get<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    ...key: Key
  ): Promise<Row | undefined> {
    // A point read of LevelDB takes about a microsecond, handing it to another thread takes ten.
    return decode(table, this.#db.getSync(encodeKey(table.prefix, key), encodingOf(table)))
  }

  async page<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    parts: readonly string[],
    { limit = -1, ...scan }: Page = {},
  ): Promise<Entry<Key, Row>[]> {
    const range = keyRange(table.prefix, parts, scan)
    const entries = await this.#db.iterator({ ...range, limit, ...encodingOf(table) }).all()
    return entries.map(entry => entryOf(table, entry))
  }

  async *scan<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    parts: readonly string[],
    scan: Scan = {},
  ): AsyncIterable<Entry<Key, Row>> {
    const iterator = this.#db.iterator({ ...keyRange(table.prefix, parts, scan), ...encodingOf(table) })
    try {
      while (true) {
        const entries = await iterator.nextv(STEP)
        if (entries.length === 0) return
        for (const entry of entries) yield entryOf(table, entry)
      }
    } finally {
      await iterator.close()
    }
  }

  apply(ops: readonly Op[]): Promise<void> {
    return ops.length === 0 ? Promise.resolve() : this.#commits.add(ops)
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

  async check(): Promise<void> {
    if (this.#db.status !== 'open') throw new Error(`the index is ${this.#db.status}`)
    this.#db.getSync('check')
    this.#writer.check()
  }

  close(): Promise<void> {
    return this.#writer.close()
  }

  async #commit(ops: Op[]): Promise<void> {
    try {
      await this.#writer.write(ops.map(changeOf))
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

function encodingOf(table: Table<readonly string[], unknown>) {
  return table.encoding === 'bytes' ? { valueEncoding: 'view' as const } : { valueEncoding: 'utf8' as const }
}

function decode<Key extends readonly string[], Row>(
  table: Table<Key, Row>,
  value: Value | undefined,
): Row | undefined {
  if (value === undefined) return undefined
  return (table.encoding === 'bytes' ? value : JSON.parse(value as string)) as Row
}

function entryOf<Key extends readonly string[], Row>(
  table: Table<Key, Row>,
  [key, value]: [string, Value],
): Entry<Key, Row> {
  return { key: decodeKey(key) as unknown as Key, row: decode(table, value) as Row }
}

import type { AbstractLevel } from 'abstract-level'
import { Level } from 'level'
import { KeyedLock } from '../lib/keyed-lock.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Entry, Index, Op, Page, Scan, Table } from './contract.ts'
import { GroupCommit } from './group-commit.ts'
import { decodeKey, encodeKey, keyRange } from './keys.ts'

type Value = string | Uint8Array
type Database = AbstractLevel<string | Buffer | Uint8Array, string, Value>

/** How many entries a scan reads ahead. */
const STEP = 64

/** The index on any abstract-level database; `open` gives the embedded LevelDB. */
export class LevelIndex implements Index {
  readonly #db: Database
  readonly #locks = new KeyedLock()
  readonly #commits: GroupCommit<Op>

  constructor(db: Database) {
    this.#db = db
    this.#commits = new GroupCommit(ops => this.#commit(ops))
  }

  /** Opens, or makes, the LevelDB in that folder. Throws where another process has it open. */
  static async open(folder: string): Promise<LevelIndex> {
    const db = new Level<string, Value>(folder, { valueEncoding: 'utf8' })
    await db.open()
    return new LevelIndex(db)
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

  async check(): Promise<void> {
    if (this.#db.status !== 'open') throw new Error(`the index is ${this.#db.status}`)
    await this.#db.get('check')
  }

  close(): Promise<void> {
    return this.#db.close()
  }

  async #commit(ops: Op[]): Promise<void> {
    try {
      // sync: durable when it resolves. AbstractLevel does not know the option, LevelDB does.
      await this.#db.batch(ops.map(operation), { sync: true } as object)
    } catch (cause) {
      if (/no space left|ENOSPC|EDQUOT|disk quota/i.test(String(cause) + String((cause as Error).cause))) {
        throw new RegistryError('STORAGE_FULL', { cause })
      }
      throw cause
    }
  }
}

function operation({ table, key, row }: Op) {
  const at = encodeKey(table.prefix, key)
  if (row === undefined) return { type: 'del' as const, key: at }
  const value = table.encoding === 'bytes' ? (row as Uint8Array) : JSON.stringify(row)
  return { type: 'put' as const, key: at, value, ...encodingOf(table) }
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

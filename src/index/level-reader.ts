import type { Level } from 'level'
import { errno } from '../lib/errno.ts'
import type { Entry, Page, Reader, Scan, Table } from './contract.ts'
import { indexDamaged } from './damage.ts'
import { decodeKey, describeKey, encodeKey, keyRange } from './keys.ts'
import { unsealed, type Value } from './level-db.ts'

/** LevelDB's own hold on one moment. */
type Moment = ReturnType<Level['snapshot']>

/** How many entries a scan reads ahead. */
const STEP = 64

/** Hears of a row that is not what was written, by its encoded key. The row is left out, unless this throws. */
type OnDamaged = (key: string) => void

interface LevelReaderOptions {
  readonly snapshot?: Moment
  readonly onDamaged?: OnDamaged
  readonly checking?: Promise<void> | undefined
}

/** The rows in LevelDB as they are, or as they were when a snapshot was taken. What is damaged is `INDEX_DAMAGED`. */
export class LevelReader implements Reader {
  /** Why nothing can be trusted any more that is read here. */
  protected damage: Error | undefined
  /** Under way while the files are being checked: what is found is right, what is not found may be damaged. Rejects where it is. */
  protected checking: Promise<void> | undefined
  readonly #db: Level<string, Value>
  readonly #snapshot: Moment | undefined
  readonly #onDamaged: OnDamaged

  constructor(db: Level<string, Value>, { snapshot, onDamaged = refuse, checking }: LevelReaderOptions = {}) {
    this.#db = db
    this.#snapshot = snapshot
    this.#onDamaged = onDamaged
    this.checking = checking
  }

  async get<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    ...key: Key
  ): Promise<Row | undefined> {
    // A point read of LevelDB takes about a microsecond, handing it to another thread takes ten.
    const at = encodeKey(table.prefix, key)
    const row = this.#row(table, at)
    if (row !== undefined || !this.checking) return row
    await this.checking
    return this.#row(table, at)
  }

  async page<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    parts: readonly string[],
    { limit = -1, ...scan }: Page = {},
  ): Promise<Entry<Key, Row>[]> {
    if (this.checking) await this.checking
    const range = keyRange(table.prefix, parts, scan)
    const entries = await this.#db
      .iterator({ ...range, limit, ...this.#options(table) })
      .all()
      .catch(explain)
    return entries.flatMap(entry => this.#entry(table, entry))
  }

  async *scan<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    parts: readonly string[],
    scan: Scan = {},
  ): AsyncIterable<Entry<Key, Row>> {
    if (this.checking) await this.checking
    const iterator = this.#db.iterator({ ...keyRange(table.prefix, parts, scan), ...this.#options(table) })
    try {
      while (true) {
        const entries = await iterator.nextv(STEP).catch(explain)
        if (entries.length === 0) return
        for (const entry of entries) yield* this.#entry(table, entry)
      }
    } finally {
      await iterator.close()
    }
  }

  #row<Row>(table: Table<readonly string[], Row>, key: string): Row | undefined {
    try {
      return this.#decoded(table, key, this.#db.getSync(key, this.#options(table)))
    } catch (error) {
      return explain(error)
    }
  }

  #entry<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    [key, stored]: [string, Value],
  ): Entry<Key, Row>[] {
    const row = this.#decoded(table, key, stored)
    return row === undefined ? [] : [{ key: decodeKey(key) as unknown as Key, row }]
  }

  #decoded<Row>(
    table: Table<readonly string[], Row>,
    key: string,
    stored: Value | undefined,
  ): Row | undefined {
    if (stored === undefined) return undefined
    const value = unsealed(key, stored)
    if (value !== undefined) return (table.encoding === 'bytes' ? value : JSON.parse(value as string)) as Row
    this.#onDamaged(key)
    return undefined
  }

  #options(table: Table<readonly string[], unknown>) {
    if (this.damage) throw this.damage
    return { ...encodingOf(table), snapshot: this.#snapshot }
  }
}

function refuse(key: string): never {
  throw indexDamaged(`the row ${describeKey(key)} of the index`)
}

function explain(error: unknown): never {
  throw errno(error) === 'LEVEL_CORRUPTION' ? indexDamaged('the index', error) : error
}

/** How LevelDB is to hand out the values of the table, and to take them. */
export function encodingOf({ encoding }: Table<readonly string[], unknown>) {
  return encoding === 'bytes' ? { valueEncoding: 'view' as const } : { valueEncoding: 'utf8' as const }
}

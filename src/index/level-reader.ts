import type { Level } from 'level'
import { errno } from '../lib/errno.ts'
import type { Entry, Page, Reader, Scan, Table } from './contract.ts'
import { indexDamaged } from './damage.ts'
import { decodeKey, describeKey, encodeKey, keyRange } from './keys.ts'
import { unsealed, type Value } from './level-db.ts'

/** LevelDB's own hold on one moment. */
type Moment = ReturnType<Level['snapshot']>

/**
 * How many entries are read at once. More is a little faster and takes much more memory: an iterator keeps what it read
 * last, outside of the heap, until that is collected.
 */
const STEP = 32

/** Up to so many rows are read on this thread, which is faster. More of them would hold up other requests. */
const MANY = 16

/** How many rows are read by another thread at once. */
const READ_AT_ONCE = 256

/** Hears of a row that is not what was written, by its encoded key. The row is left out, unless this throws. */
type OnDamaged = (key: string) => void

/** What is known of the files of the index while they are read. */
export interface Trust {
  /** Why nothing can be trusted any more that is read. */
  damage?: Error | undefined
  /** Under way while the files are being checked: what is found is right, what is not found may be damaged. Rejects where it is. */
  checking?: Promise<void> | undefined
}

interface LevelReaderOptions {
  readonly snapshot?: Moment
  readonly onDamaged?: OnDamaged
  readonly trust?: Trust
}

/** The rows in LevelDB as they are, or as they were when a snapshot was taken. What is damaged is `INDEX_DAMAGED`. */
export class LevelReader implements Reader {
  readonly #db: Level<string, Value>
  readonly #options: ReturnType<typeof optionsFor>
  readonly #onDamaged: OnDamaged
  readonly #trust: Trust
  /** How many iterators, and snapshots, are open. */
  #users = 0
  #unused = () => {}

  constructor(
    db: Level<string, Value>,
    { snapshot, onDamaged = refuse, trust = {} }: LevelReaderOptions = {},
  ) {
    this.#db = db
    this.#options = optionsFor(snapshot)
    this.#onDamaged = onDamaged
    this.#trust = trust
  }

  /** Keeps `unused` waiting until the function that it returns is called. */
  hold(): () => void {
    this.#users++
    return () => {
      if (--this.#users === 0) this.#unused()
    }
  }

  /** Resolves when nothing reads here any more. Call it when nothing begins to read here either. */
  unused(): Promise<void> {
    if (this.#users === 0) return Promise.resolve()
    return new Promise(resolve => {
      this.#unused = resolve
    })
  }

  async get<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    ...key: Key
  ): Promise<Row | undefined> {
    // A point read of LevelDB takes about a microsecond, handing it to another thread takes ten.
    const at = encodeKey(table.prefix, key)
    const row = this.#row(table, at)
    if (row !== undefined || !this.#trust.checking) return row
    await this.#trust.checking
    return this.#row(table, at)
  }

  async getMany<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    keys: readonly Readonly<Key>[],
  ): Promise<(Row | undefined)[]> {
    const at = keys.map(key => encodeKey(table.prefix, key))
    const rows = await this.#rows(table, at)
    if (!this.#trust.checking || rows.every(row => row !== undefined)) return rows
    await this.#trust.checking
    return this.#rows(table, at)
  }

  async page<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    parts: readonly string[],
    page: Page = {},
  ): Promise<Entry<Key, Row>[]> {
    const entries: Entry<Key, Row>[] = []
    for await (const step of this.#steps(table, parts, page)) entries.push(...step)
    return entries
  }

  async *scan<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    parts: readonly string[],
    scan: Scan = {},
  ): AsyncIterable<Entry<Key, Row>> {
    for await (const step of this.#steps(table, parts, scan)) yield* step
  }

  async *#steps<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    parts: readonly string[],
    { limit = Number.POSITIVE_INFINITY, ...scan }: Page,
  ): AsyncIterable<Entry<Key, Row>[]> {
    if (this.#trust.checking) await this.#trust.checking
    const range = keyRange(table.prefix, parts, scan)
    const release = this.hold()
    const iterator = this.#db.iterator({ ...range, ...this.#optionsOf(table), limit })
    try {
      while (true) {
        const stored = await iterator.nextv(STEP).catch(explain)
        if (stored.length === 0) return
        yield stored.map(entry => this.#entry(table, entry)).filter(entry => entry !== undefined)
      }
    } finally {
      release()
      await iterator.close()
    }
  }

  #row<Row>(table: Table<readonly string[], Row>, key: string): Row | undefined {
    try {
      return this.#decoded(table, key, this.#db.getSync(key, this.#optionsOf(table)))
    } catch (error) {
      return explain(error)
    }
  }

  async #rows<Row>(
    table: Table<readonly string[], Row>,
    keys: readonly string[],
  ): Promise<(Row | undefined)[]> {
    if (keys.length <= MANY) return keys.map(key => this.#row(table, key))
    const rows: (Row | undefined)[] = []
    const release = this.hold()
    try {
      for (let i = 0; i < keys.length; i += READ_AT_ONCE) {
        const step = keys.slice(i, i + READ_AT_ONCE)
        const stored = await this.#db.getMany(step, this.#optionsOf(table)).catch(explain)
        rows.push(...step.map((key, n) => this.#decoded(table, key, stored[n])))
      }
      return rows
    } finally {
      release()
    }
  }

  #entry<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    [key, stored]: [string, Value],
  ): Entry<Key, Row> | undefined {
    const row = this.#decoded(table, key, stored)
    return row === undefined ? undefined : { key: decodeKey(key) as unknown as Key, row }
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

  #optionsOf({ encoding }: Table<readonly string[], unknown>) {
    if (this.#trust.damage) throw this.#trust.damage
    return this.#options[encoding]
  }
}

function refuse(key: string): never {
  throw indexDamaged(`the row ${describeKey(key)} of the index`)
}

function explain(error: unknown): never {
  throw errno(error) === 'LEVEL_CORRUPTION' ? indexDamaged('the index', error) : error
}

/** How LevelDB is to hand out rows. Made once and complete: of what is not, it makes a new one at each read. */
function optionsFor(snapshot: Moment | undefined) {
  const options = { keyEncoding: 'utf8', snapshot } as const
  return {
    json: { ...options, valueEncoding: 'utf8' },
    bytes: { ...options, valueEncoding: 'view' },
  } as const
}

/** How LevelDB is to take the values of the table. */
export function encodingOf({ encoding }: Table<readonly string[], unknown>) {
  return encoding === 'bytes' ? { valueEncoding: 'view' as const } : { valueEncoding: 'utf8' as const }
}

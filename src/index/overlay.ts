import type { Entry, Op, Page, Reader, Scan, Table } from './contract.ts'
import { bytewise, decodeKey, encodeKey, keyRange } from './keys.ts'

/** Rows with changes on top of them, as if these were made already. */
export class Overlay implements Reader {
  readonly #base: Reader
  readonly #ops: ReadonlyMap<string, Op>

  /** `ops` by encoded key; they may come and go. */
  constructor(base: Reader, ops: ReadonlyMap<string, Op>) {
    this.#base = base
    this.#ops = ops
  }

  async get<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    ...key: Key
  ): Promise<Row | undefined> {
    const op = this.#ops.get(encodeKey(table.prefix, key))
    return op ? (op.row as Row | undefined) : this.#base.get(table, ...key)
  }

  async page<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    parts: readonly string[],
    { limit = Number.POSITIVE_INFINITY, ...scan }: Page = {},
  ): Promise<Entry<Key, Row>[]> {
    const changes = this.#within(table, parts, scan)
    // Each change hides one row of the base at most.
    const base = await this.#base.page(table, parts, { ...scan, limit: limit + changes.length })
    const entries = base.flatMap(entry => [...upTo(entry, table, changes)])
    for (const change of changes) entries.push(...shown<Key, Row>(change))
    return entries.slice(0, limit)
  }

  async *scan<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    parts: readonly string[],
    scan: Scan = {},
  ): AsyncIterable<Entry<Key, Row>> {
    const changes = this.#within(table, parts, scan)
    for await (const entry of this.#base.scan(table, parts, scan)) yield* upTo(entry, table, changes)
    for (const change of changes) yield* shown<Key, Row>(change)
  }

  /** The changes between the bounds, in key order. */
  #within(table: Table<readonly string[], unknown>, parts: readonly string[], scan: Scan): [string, Op][] {
    const { gte, lt } = keyRange(table.prefix, parts, scan)
    const stem = encodeKey(table.prefix, parts)
    return (
      [...this.#ops]
        // Most are of other tables; this tells them apart without their bytes.
        .filter(([key]) => key.startsWith(stem) && bytewise(key, gte) >= 0 && bytewise(key, lt) < 0)
        .sort(([a], [b]) => bytewise(a, b))
    )
  }
}

/** The changes before the entry, which are taken off, and the entry, or what it is changed to. */
function* upTo<Key extends readonly string[], Row>(
  entry: Entry<Key, Row>,
  table: Table<Key, Row>,
  changes: [string, Op][],
): Iterable<Entry<Key, Row>> {
  const key = encodeKey(table.prefix, entry.key)
  for (let next = changes[0]; next; next = changes[0]) {
    const order = bytewise(next[0], key)
    if (order > 0) break
    changes.shift()
    yield* shown<Key, Row>(next)
    // By the changes of the moment at which the base was asked: this one may have come into the base since.
    if (order === 0) return
  }
  yield entry
}

function* shown<Key, Row>([key, { row }]: [string, Op]): Iterable<Entry<Key, Row>> {
  if (row !== undefined) yield { key: decodeKey(key) as unknown as Key, row: row as Row }
}

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
    const entries: Entry<Key, Row>[] = []
    if (limit === 0) return entries
    for await (const entry of this.scan(table, parts, scan)) {
      if (entries.push(entry) >= limit) break
    }
    return entries
  }

  async *scan<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    parts: readonly string[],
    scan: Scan = {},
  ): AsyncIterable<Entry<Key, Row>> {
    const changes = this.#within(keyRange(table.prefix, parts, scan))
    let next = 0
    for await (const entry of this.#base.scan(table, parts, scan)) {
      const key = encodeKey(table.prefix, entry.key)
      for (; next < changes.length && compare(changes[next], key) < 0; next++)
        yield* shown<Key, Row>(changes[next])
      if (!this.#ops.has(key)) yield entry
    }
    for (; next < changes.length; next++) yield* shown<Key, Row>(changes[next])
  }

  /** The changes between the bounds, in key order. */
  #within({ gte, lt }: { gte: string; lt: string }): [string, Op][] {
    return [...this.#ops]
      .filter(([key]) => bytewise(key, gte) >= 0 && bytewise(key, lt) < 0)
      .sort(([a], [b]) => bytewise(a, b))
  }
}

function compare(change: [string, Op] | undefined, key: string): number {
  return change ? bytewise(change[0], key) : 1
}

function* shown<Key, Row>(change: [string, Op] | undefined): Iterable<Entry<Key, Row>> {
  if (change && change[1].row !== undefined) {
    yield { key: decodeKey(change[0]) as unknown as Key, row: change[1].row as Row }
  }
}

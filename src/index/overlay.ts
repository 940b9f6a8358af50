import type { Entry, Op, Page, Reader, Scan, Table } from './contract.ts'
import { bytewise, decodeKey, encodeKey, keyRange } from './keys.ts'
import type { Ops } from './ops.ts'

/**
 * How many more rows and changes than its limit are read for a page, because changes may remove rows. If that is too
 * few, the page is read again with more; so a small page costs little, however many changes there are.
 */
const SPARE = 16

/** Rows with changes on top of them, as if these were made already. */
export class Overlay implements Reader {
  readonly #base: Reader
  readonly #ops: Ops

  /** `ops` may come and go. */
  constructor(base: Reader, ops: Ops) {
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

  async getMany<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    keys: readonly Readonly<Key>[],
  ): Promise<(Row | undefined)[]> {
    const ops = keys.map(key => this.#ops.get(encodeKey(table.prefix, key)))
    const unchanged = keys.filter((_, i) => !ops[i])
    const rows = unchanged.length > 0 ? await this.#base.getMany(table, unchanged) : []
    let next = 0
    return ops.map(op => (op ? (op.row as Row | undefined) : rows[next++]))
  }

  async page<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    parts: readonly string[],
    { limit = Number.POSITIVE_INFINITY, ...scan }: Page = {},
  ): Promise<Entry<Key, Row>[]> {
    if (limit === 0) return []
    for (let spare = SPARE; ; spare *= 4) {
      // Both at the same moment: what is on its way to the base is in one of them.
      const changes = this.#within(table, parts, scan, limit + spare)
      if (changes.length === 0) return this.#base.page(table, parts, { ...scan, limit })
      // Each change hides one row of the base at most.
      const asked = limit + Math.min(changes.length, spare)
      const base = await this.#base.page(table, parts, { ...scan, limit: asked })
      const cut = { base: base.length === asked, changes: changes.length === limit + spare }
      const entries = merged(table, base, changes, cut)
      if (entries.length >= limit || !(cut.base || cut.changes)) return entries.slice(0, limit)
    }
  }

  async *scan<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    parts: readonly string[],
    scan: Scan = {},
  ): AsyncIterable<Entry<Key, Row>> {
    const changes = this.#within(table, parts, scan, Number.POSITIVE_INFINITY)
    let next = 0
    for await (const entry of this.#base.scan(table, parts, scan)) {
      const key = next < changes.length ? encodeKey(table.prefix, entry.key) : ''
      let order = 1
      for (let change = changes[next]; change && order > 0; change = changes[next]) {
        order = bytewise(key, change[0])
        if (order < 0) break
        next++
        yield* shown<Key, Row>(change)
      }
      // By the changes of the moment at which the base was asked: this one may have come into the base since.
      if (order !== 0) yield entry
    }
    for (; next < changes.length; next++) yield* shown<Key, Row>(changes[next] as [string, Op])
  }

  /** The changes between the bounds, in key order. */
  #within(
    { prefix }: Table<readonly string[], unknown>,
    parts: readonly string[],
    scan: Scan,
    limit: number,
  ): [string, Op][] {
    const { gte, lt } = keyRange(prefix, parts, scan)
    return this.#ops.range(prefix, gte, lt, limit)
  }
}

/** The rows with the changes. A list that is cut goes on in the index, so the result ends with it. */
function merged<Key extends readonly string[], Row>(
  table: Table<Key, Row>,
  base: readonly Entry<Key, Row>[],
  changes: readonly [string, Op][],
  cut: { readonly base: boolean; readonly changes: boolean },
): Entry<Key, Row>[] {
  const entries: Entry<Key, Row>[] = []
  let [i, j] = [0, 0]
  while (i < base.length || j < changes.length) {
    const [entry, change] = [base[i], changes[j]]
    if ((!entry && cut.base) || (!change && cut.changes)) break
    const order = !entry ? 1 : !change ? -1 : bytewise(encodeKey(table.prefix, entry.key), change[0])
    if (order <= 0) i++
    if (order >= 0) j++
    if (order < 0) entries.push(entry as Entry<Key, Row>)
    else entries.push(...shown<Key, Row>(change as [string, Op]))
  }
  return entries
}

function* shown<Key extends readonly string[], Row>([key, { row }]: [string, Op]): Iterable<Entry<Key, Row>> {
  if (row !== undefined) yield { key: decodeKey(key) as unknown as Key, row: row as Row }
}

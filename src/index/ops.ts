import type { Op } from './contract.ts'
import { encodeKey } from './keys.ts'
import { SortedKeys } from './sorted-keys.ts'

/** The keys of one table that have changes. */
interface TableKeys {
  /** Not sorted yet. Many changes are never read by range, and sorting them would be in vain. */
  readonly fresh: Set<string>
  readonly sorted: SortedKeys
}

/** Changes that are not in the database yet, the last one of each row: by key, and of each table in key order. */
export class Ops {
  readonly #ops = new Map<string, Op>()
  readonly #tables = new Map<string, TableKeys>()

  get(key: string): Op | undefined {
    return this.#ops.get(key)
  }

  get size(): number {
    return this.#ops.size
  }

  /** The same changes, whatever comes and goes here later. */
  copy(): Ops {
    const copy = new Ops()
    for (const op of this.#ops.values()) copy.set(op)
    return copy
  }

  /** All of them, in no order. */
  values(): Iterable<Op> {
    return this.#ops.values()
  }

  /** Adds the change and returns its encoded key. */
  set(op: Op): string {
    const key = encodeKey(op.table.prefix, op.key)
    if (!this.#ops.has(key)) this.#tableOf(op).fresh.add(key)
    this.#ops.set(key, op)
    return key
  }

  /** Removes the change, unless a later one of the same row has taken its place. */
  delete(key: string, op: Op): void {
    if (this.#ops.get(key) !== op) return
    this.#ops.delete(key)
    const { fresh, sorted } = this.#tableOf(op)
    if (!fresh.delete(key)) sorted.delete(key)
  }

  clear(): void {
    this.#ops.clear()
    this.#tables.clear()
  }

  /** At most `limit` changes of the table with keys from `gte` on and before `lt`, in key order. */
  range(prefix: string, gte: string, lt: string, limit: number): [key: string, op: Op][] {
    const table = this.#tables.get(prefix)
    const found: [string, Op][] = []
    if (!table || limit === 0) return found
    for (const key of table.fresh) table.sorted.add(key)
    table.fresh.clear()
    for (const key of table.sorted.range(gte, lt)) {
      found.push([key, this.#ops.get(key) as Op])
      if (found.length === limit) break
    }
    return found
  }

  #tableOf({ table: { prefix } }: Op): TableKeys {
    const known = this.#tables.get(prefix)
    if (known) return known
    const made = { fresh: new Set<string>(), sorted: new SortedKeys() }
    this.#tables.set(prefix, made)
    return made
  }
}

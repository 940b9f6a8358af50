import { Yielder } from '../lib/yielder.ts'
import type { Entry, Index, Page, Table } from './contract.ts'
import { Ops } from './ops.ts'
import { Overlay } from './overlay.ts'

/**
 * Changes that will be applied together. Reads see the index with the changes made so far, and with those of others
 * that are on their way, so that one rule can build on what another has just decided.
 *
 * A read gives way to other requests when much was done since the last time. The locks of a change are held meanwhile:
 * requests that need the same rows wait longer, and no others do.
 */
export class Batch extends Overlay {
  readonly #index: Index
  /** How often the index had failed when this began: what it builds on may not have come. */
  readonly #failures: number
  readonly #yielder = new Yielder()
  /** The last change of a row counts. */
  readonly #ops: Ops

  constructor(index: Index) {
    const ops = new Ops()
    super(index.latest, ops)
    this.#ops = ops
    this.#index = index
    this.#failures = index.failures
  }

  override get<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    ...key: Key
  ): Promise<Row | undefined> {
    const turn = this.#yielder.yield()
    return turn ? turn.then(() => super.get(table, ...key)) : super.get(table, ...key)
  }

  override page<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    parts: readonly string[],
    page?: Page,
  ): Promise<Entry<Key, Row>[]> {
    const turn = this.#yielder.yield()
    return turn ? turn.then(() => super.page(table, parts, page)) : super.page(table, parts, page)
  }

  put<Key extends readonly string[], Row>(table: Table<Key, Row>, key: Readonly<Key>, row: Row): void {
    this.#ops.set({ table, key, row })
  }

  del<Key extends readonly string[], Row>(table: Table<Key, Row>, key: Readonly<Key>): void {
    this.#ops.set({ table, key, row: undefined })
  }

  /** One atomic, durable write of all changes. From its call on, batches that begin see them. */
  apply(): Promise<void> {
    return this.#index.apply([...this.#ops.values()], this.#failures)
  }
}

import type { Index, Op, Table } from './contract.ts'
import { encodeKey } from './keys.ts'
import { Overlay } from './overlay.ts'

/**
 * Changes that will be applied together. Reads see the index with the changes made so far, and with those of others
 * that are on their way, so that one rule can build on what another has just decided.
 */
export class Batch extends Overlay {
  readonly #index: Index
  /** How often the index had failed when this began: what it builds on may not have come. */
  readonly #failures: number
  /** By encoded key: the last change of a row counts. */
  readonly #ops: Map<string, Op>

  constructor(index: Index) {
    const ops = new Map<string, Op>()
    super(index.latest, ops)
    this.#ops = ops
    this.#index = index
    this.#failures = index.failures
  }

  put<Key extends readonly string[], Row>(table: Table<Key, Row>, key: Readonly<Key>, row: Row): void {
    this.#ops.set(encodeKey(table.prefix, key), { table, key, row })
  }

  del<Key extends readonly string[], Row>(table: Table<Key, Row>, key: Readonly<Key>): void {
    this.#ops.set(encodeKey(table.prefix, key), { table, key, row: undefined })
  }

  /** One atomic, durable write of all changes. From its call on, batches that begin see them. */
  apply(): Promise<void> {
    return this.#index.apply([...this.#ops.values()], this.#failures)
  }
}

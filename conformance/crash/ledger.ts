import { isDeepStrictEqual } from 'node:util'
import { expect } from 'chai'
import { everything } from '../../spec/support/rows.ts'
import type { Entry, Index, Op, Table } from '../../src/index/contract.ts'
import { encodeKey } from '../../src/index/keys.ts'

/** A change of the index, and whether it was said to be made. */
interface Change {
  readonly ops: readonly Op[]
  made: boolean
}

/** What was asked of an index, to compare it with what it has. */
export class Ledger {
  readonly changes: Change[] = []

  /** Writes down the changes of the index from now on. */
  watch(index: Index): void {
    const apply = index.apply.bind(index)
    index.apply = async ops => {
      const change: Change = { ops: [...ops], made: false }
      this.changes.push(change)
      await apply(ops)
      change.made = true
    }
  }

  /** How many changes were made, where one came after the other. */
  get made(): number {
    return this.changes.filter(({ made }) => made).length
  }

  /** The index has the rows that the changes make: those of one of the lists, which is answered. */
  async expectOneOf(
    lists: readonly (readonly Change[])[],
    index: Index,
  ): Promise<readonly Change[] | undefined> {
    const rows = await everything(index)
    const states = await Promise.all(lists.map(changes => everything(new Made(changes))))
    const at = states.findIndex(state => isDeepStrictEqual(state, rows))
    if (at < 0) expect(rows).to.deep.equal(states[0])
    return lists[at]
  }

  /** What was said to be made is there, and of what was not the first is there or not, whole. */
  expect(index: Index): Promise<readonly Change[] | undefined> {
    const doubtful = this.changes.find(({ made }) => !made)
    const made = this.changes.filter(change => change.made)
    return this.expectOneOf([made, this.changes.filter(change => change.made || change === doubtful)], index)
  }

  /** The same, and what is there now is there for good. */
  async settle(index: Index): Promise<void> {
    const changes = await this.expect(index)
    this.changes.splice(0, Number.POSITIVE_INFINITY, ...(changes ?? []))
    for (const change of this.changes) change.made = true
  }
}

/** The rows that those changes make. */
class Made {
  readonly #rows = new Map<string, Op>()

  constructor(changes: readonly Change[]) {
    for (const op of changes.flatMap(({ ops }) => ops)) {
      const key = encodeKey(op.table.prefix, op.key)
      if (op.row === undefined) this.#rows.delete(key)
      else this.#rows.set(key, op)
    }
  }

  async page<Key extends readonly string[], Row>({
    prefix,
    encoding,
  }: Table<Key, Row>): Promise<Entry<Key, Row>[]> {
    const ops = [...this.#rows.values()].filter(({ table }) => table.prefix === prefix)
    return ops.map(({ key, row }) => ({
      key: key as unknown as Key,
      row: (encoding === 'json' ? JSON.parse(JSON.stringify(row)) : row) as Row,
    }))
  }
}

import { isDeepStrictEqual } from 'node:util'
import type { Entry, Reader, Table } from '../index/contract.ts'
import { bytewise, encodeKey } from '../index/keys.ts'

/** A row that one index has and the other has not, or has otherwise. */
export interface Difference {
  readonly key: readonly string[]
  readonly kind: 'missing' | 'surplus' | 'other'
  /** As it is; undefined where it is missing. */
  readonly row: unknown
}

/** Where a table is not what it should be. Both are gone through once, in the order of their keys. */
export async function* differences(
  table: Table<readonly string[], unknown>,
  actual: Reader,
  expected: Reader,
): AsyncIterable<Difference> {
  const [is, shall] = [iterate(table, actual), iterate(table, expected)]
  try {
    let [a, b] = [await is.next(), await shall.next()]
    while (!a.done || !b.done) {
      const order = a.done ? 1 : b.done ? -1 : compare(a.value, b.value)
      if (order > 0) yield { key: b.value.key, kind: 'missing', row: undefined }
      else if (order < 0) yield { key: a.value.key, kind: 'surplus', row: a.value.row }
      else if (!isDeepStrictEqual(a.value.row, b.value.row))
        yield { key: a.value.key, kind: 'other', row: a.value.row }
      if (order <= 0) a = await is.next()
      if (order >= 0) b = await shall.next()
    }
  } finally {
    await Promise.all([is.return?.(), shall.return?.()])
  }
}

function iterate(table: Table<readonly string[], unknown>, reader: Reader) {
  return reader.scan(table, [])[Symbol.asyncIterator]()
}

function compare(a: Entry<readonly string[], unknown>, b: Entry<readonly string[], unknown>): number {
  return bytewise(encodeKey('', a.key), encodeKey('', b.key))
}

import type { Reader, Table } from '../../src/index/contract.ts'
import * as tables from '../../src/index/tables.ts'

const TABLES = Object.entries(tables as Record<string, unknown>)
  .map(([name, table]) => [name, table as Table<readonly string[], unknown>] as const)
  .filter(([name, table]) => 'prefix' in table && name !== 'COMPLETE' && name !== 'LAST_TIME')

/**
 * All rows of all tables, but for the last time that was given out, which every change moves, and for what garbage
 * collection has to itself: its notes, and older composed indexes, which
 * only clients in the middle of a pull still need.
 */
export async function everything(index: Pick<Reader, 'page'>): Promise<Record<string, unknown>> {
  const keysOf = async (table: Table<readonly string[], unknown>) =>
    (await index.page(table, [])).map(({ key }) => key.slice(0, 2).join(' '))
  const tagged = new Set(await keysOf(tables.TAGGED))
  const old = new Set((await keysOf(tables.COMPOSED)).filter(key => !tagged.has(key)))
  const all: Record<string, unknown> = {}
  for (const [name, table] of TABLES) {
    for (const { key, row } of await index.page(table, [])) {
      if (old.has(key.join(' '))) continue
      all[`${name} ${key.join(' ')}`] =
        row instanceof Uint8Array ? Buffer.from(row).toString() : withoutNote(row)
    }
  }
  return all
}

function withoutNote(row: unknown): unknown {
  if (typeof row !== 'object' || row === null) return row
  return Object.fromEntries(Object.entries(row).filter(([name]) => name !== 'unused'))
}

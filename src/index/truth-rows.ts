import { indexDamaged } from './damage.ts'
import type { JournalEntry } from './journal-line.ts'
import { describeKey, keyRange } from './keys.ts'
import { type LevelDb, unsealed } from './level-db.ts'
import { checkFiles } from './level-files.ts'
import { TRUTH } from './tables.ts'

/** Rows in one step. */
const STEP = 128

/** The rows that nothing else tells, as they are stored now, whatever is written while they are read. */
export function storedTruth(db: LevelDb): AsyncIterable<[key: string, stored: string][]> {
  // An iterator sees the rows as they are when it is made.
  const tables = TRUTH.map(({ prefix }) =>
    db.iterator<string, string>({ ...keyRange(prefix, []), valueEncoding: 'utf8' }),
  )
  async function* read() {
    try {
      for (const table of tables) {
        while (true) {
          const rows = await table.nextv(STEP)
          if (rows.length === 0) break
          yield rows
        }
      }
    } finally {
      await Promise.all(tables.map(table => table.close()))
    }
  }
  return read()
}

/** The same as a snapshot has them. Throws `INDEX_DAMAGED` where one is damaged, or may be missing. */
export async function* truthRows(db: LevelDb, stored = storedTruth(db)): AsyncIterable<JournalEntry[]> {
  await checkFiles(db.location)
  for await (const rows of stored) {
    yield rows.map(([key, value]) => {
      const sound = unsealed(key, value)
      if (sound === undefined) throw indexDamaged(`the row ${describeKey(key)} of the index`)
      return [key, sound as string]
    })
  }
}

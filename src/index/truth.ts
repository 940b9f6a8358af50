import { type Hole, isHole, type JournalFiles } from './journal-files.ts'
import type { JournalEntry, JournalLine } from './journal-line.ts'
import { changesOf } from './journaled-writer.ts'
import { describeKey } from './keys.ts'
import { type LevelDb, unsealed, writeLevel } from './level-db.ts'
import { TRUTH } from './tables.ts'

const PREFIXES = new Set(TRUTH.map(({ prefix }) => prefix))

/** Makes an empty LevelDB what the journal says, of the truth. Nothing may be missing. */
export async function replayTruth(files: JournalFiles, db: LevelDb): Promise<void> {
  for await (const line of files.read()) if (!isHole(line)) await apply(db, line)
}

/**
 * The same where the journal has holes, with the rows that can be read of the index: of what was last changed before a
 * hole the index knows more, of what came behind it the journal does. Where the index is whole, it knows all before.
 * A journal without holes knows all.
 */
export async function mergeTruth(
  files: JournalFiles,
  holes: readonly Hole[],
  index: { readonly whole: boolean; rows(): AsyncIterable<JournalEntry[]> },
  db: LevelDb,
  report: (loss: string) => void,
): Promise<void> {
  if (holes.length === 0 && (await files.any())) return replayTruth(files, db)
  const end = Math.max(0, ...holes.map(({ last }) => last))
  const replay = async (from: number, to: number) => {
    for await (const line of files.read())
      if (!isHole(line) && line.number >= from && line.number <= to) await apply(db, line)
  }
  if (!index.whole) await replay(0, end)
  for await (const entries of index.rows()) {
    for (const [key, value] of entries) {
      const other = db.getSync(key)
      if (other !== undefined && unsealed(key, other) !== value)
        report(`${describeKey(key)}: index and journal differ; what the index has is kept`)
    }
    await apply(db, { number: 0, entries })
  }
  await replay(end + 1, Number.POSITIVE_INFINITY)
}

function apply(db: LevelDb, { number, entries }: JournalLine): Promise<void> {
  const truth = entries.filter(([key]) => PREFIXES.has(key.slice(0, key.indexOf('\0'))))
  return writeLevel(db, changesOf({ number, entries: truth }))
}

import { crc32 } from 'node:zlib'
import { Level } from 'level'
import { errno } from '../lib/errno.ts'
import { indexDamaged } from './damage.ts'
import { levelFiles } from './level-manifest.ts'

export type Value = string | Uint8Array
/** What `level` is on Node.js; its types leave out what browsers lack. */
export type LevelDb = Level<string, Value> & {
  readonly location: string
  compactRange(start: string, end: string): Promise<void>
}

/** A change of one row, as LevelDB takes it. */
export type Change =
  | {
      readonly type: 'put'
      readonly key: string
      readonly value: Value
      readonly valueEncoding: 'utf8' | 'view'
    }
  | { readonly type: 'del'; readonly key: string }

/** Behind every key there is. */
const END = '\u{10ffff}'

/** In bytes. Tables are mapped into memory and cached by the system already; more here is no faster. */
const CACHE = 2 * 2 ** 20

/** Opens the LevelDB in that folder. Throws `INDEX_DAMAGED`, and where another process has it open, see `isLocked`. */
export async function openLevel(
  folder: string,
  { createIfMissing = true }: { createIfMissing?: boolean } = {},
): Promise<LevelDb> {
  const db = new Level<string, Value>(folder, {
    valueEncoding: 'utf8',
    cacheSize: CACHE,
  })
  await reopenLevel(db as LevelDb, { createIfMissing })
  return db as LevelDb
}

/** Opens one that was closed. Throws as `openLevel`; then it is closed, and can be tried again. */
export async function reopenLevel(db: LevelDb, { createIfMissing = false } = {}): Promise<void> {
  try {
    await db.open({ createIfMissing })
    await openTables(db)
  } catch (error) {
    await db.close()
    // What is missing is told as an error of the system.
    const { cause } = error as Error
    if (/^(?:Corruption|NotFound)|No such file/.test(`${(cause as Error | undefined)?.message}`))
      throw indexDamaged('the index', cause)
    throw error
  }
}

/**
 * Has LevelDB open all tables that it has, which it then keeps mapped into memory: reads need no descriptor later.
 * Without one an iterator passes over the rows of a table that is not open, and says so only at its end, if at all.
 */
async function openTables(db: LevelDb): Promise<void> {
  const files = await levelFiles(db.location)
  for (const { first } of files?.tables.values() ?? []) {
    // To the end of its range, because only then it reports errors.
    const iterator = db.iterator({ gte: first, lte: first })
    try {
      await iterator.nextv(2)
    } finally {
      await iterator.close()
    }
  }
}

/**
 * Writes all rows to tables, and syncs these. Compacting any range does, an empty one too. LevelDB reports no failure
 * of it, so what it has noted in its MANIFEST tells. Throws if it has not done it.
 */
export async function flushLevel(db: LevelDb): Promise<void> {
  const log = (await levelFiles(db.location))?.log
  await db.compactRange(END, END)
  const files = await levelFiles(db.location)
  if (log === undefined || files === undefined || files.log <= log)
    throw new Error('LevelDB could not write its rows to a table')
}

/** Makes a LevelDB again of the files in that folder that can be read; other ones go into `lost` in it. */
export async function repairLevel(folder: string): Promise<void> {
  await (Level as unknown as { repair(folder: string): Promise<void> }).repair(folder)
}

/** Whether LevelDB was not opened because another process has it open. */
export function isLocked(error: unknown): boolean {
  return errno((error as Error).cause) === 'LEVEL_LOCKED'
}

/**
 * Writes the changes, all or nothing. LevelDB looks at its checksums neither when it reads nor when it copies rows
 * into a new file, so each value goes with one of its own, over key and value.
 */
export function writeLevel(
  db: Level<string, Value>,
  changes: readonly Change[],
  options: { sync?: boolean } = {},
): Promise<void> {
  return db.batch(changes.map(sealed), options)
}

/** The value without its checksum; undefined where it is not what was written under that key. */
export function unsealed(key: string, stored: Value): Value | undefined {
  const value = typeof stored === 'string' ? stored.slice(DIGITS) : stored.subarray(DIGITS)
  const seal =
    typeof stored === 'string' ? stored.slice(0, DIGITS) : Buffer.from(stored.subarray(0, DIGITS)).toString()
  return seal === checksum(key, value) ? value : undefined
}

/** Where LevelDB notes how far it has come: a key of no table. */
const REACHED = 'reached'

/** The number of the last change of the journal that LevelDB has. Throws `INDEX_DAMAGED`. */
export function reached(db: LevelDb): number {
  const stored = db.getSync(REACHED)
  if (stored === undefined) return 0
  const value = unsealed(REACHED, stored)
  if (value === undefined) throw indexDamaged('the index')
  return Number(value)
}

export function reachedRow(number: number): Change {
  return { type: 'put', key: REACHED, value: `${number}`, valueEncoding: 'utf8' }
}

/** Of a checksum before its value. */
const DIGITS = 8

function sealed(change: Change): Change {
  if (change.type === 'del') return change
  const { key, value } = change
  const seal = checksum(key, value)
  return {
    ...change,
    value: typeof value === 'string' ? seal + value : Buffer.concat([Buffer.from(seal), value]),
  }
}

function checksum(key: string, value: Value): string {
  const sum = crc32(`${key}\0`)
  // Nothing has no address, and zlib's sum of that is 0.
  return (value.length === 0 ? sum : crc32(value, sum)).toString(16).padStart(DIGITS, '0')
}

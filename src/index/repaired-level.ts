import { copyFile, link, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { orAbsent } from '../lib/errno.ts'
import type { JournalEntry } from './journal-line.ts'
import { describeKey } from './keys.ts'
import { type LevelDb, openLevel, reached, repairLevel, unsealed } from './level-db.ts'
import { damagedFiles } from './level-files.ts'
import { storedTruth } from './truth-rows.ts'

/** What can be read of a LevelDB that may be damaged, in a copy of it: LevelDB removes what it does not understand. */
export class RepairedLevel {
  /** Whether it is undamaged: what is not there is nowhere. */
  readonly whole: boolean
  /** The last change of the journal that it has, as far as it can tell. */
  readonly reached: number
  readonly #db: LevelDb
  readonly #folder: string

  private constructor(db: LevelDb, folder: string, whole: boolean) {
    this.#db = db
    this.#folder = folder
    this.whole = whole
    this.reached = orZero(() => reached(db))
  }

  /** Copies that folder to that other one and repairs it; `report` hears of what is lost. A folder that is missing has no rows. */
  static async of(from: string, to: string, report: (loss: string) => void): Promise<RepairedLevel> {
    await rm(to, { recursive: true, force: true })
    await mkdir(to)
    for (const name of (await orAbsent(readdir(from))) ?? []) {
      // Table files never change.
      if (name.endsWith('.ldb')) await link(join(from, name), join(to, name))
      else if (!/^LO(?:CK|G)/.test(name)) await copyFile(join(from, name), join(to, name))
    }
    const names = await readdir(to)
    if (names.length === 0) report('the index is missing')
    let whole = names.length > 0
    for await (const file of whole ? damagedFiles(to) : []) {
      whole = false
      report(`${file} is damaged`)
    }
    if (!whole) await repairLevel(to)
    const made = new RepairedLevel(await openLevel(to), to, whole)
    const lost = await made.#damagedRows()
    for (const key of lost) report(`the row ${describeKey(key)} of the index is damaged`)
    return lost.length > 0 ? new RepairedLevel(made.#db, to, false) : made
  }

  /** The rows of truth that are as they were written. */
  async *rows(): AsyncIterable<JournalEntry[]> {
    for await (const rows of storedTruth(this.#db))
      yield rows.flatMap(([key, stored]) => {
        const value = unsealed(key, stored)
        return value === undefined ? [] : [[key, value as string] as const]
      })
  }

  async close(): Promise<void> {
    await this.#db.close()
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #damagedRows(): Promise<string[]> {
    const damaged: string[] = []
    for await (const rows of storedTruth(this.#db))
      for (const [key, stored] of rows) if (unsealed(key, stored) === undefined) damaged.push(key)
    return damaged
  }
}

function orZero(read: () => number): number {
  try {
    return read()
  } catch {
    return 0
  }
}

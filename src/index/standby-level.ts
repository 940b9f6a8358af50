import { copyFile, link, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { errno } from '../lib/errno.ts'
import { isLocked, type LevelDb, openLevel, reached } from './level-db.ts'

/**
 * A second LevelDB of the same rows, to read from while the first one is closed and opened again. If it cannot be
 * opened, because there is no space or no descriptor, the first one could not either: it stays open then.
 */
export class StandbyLevel {
  readonly db: LevelDb

  private constructor(db: LevelDb) {
    this.db = db
  }

  /** Opens a copy of that open LevelDB, which has come to change `last`, beside it. Throws, and then leaves nothing. */
  static async of({ location }: LevelDb, last: number): Promise<StandbyLevel> {
    const folder = standbyFolder(location)
    await removeStandby(location)
    let db: LevelDb | undefined
    try {
      await copyFiles(location, folder)
      db = await openLevel(folder, { createIfMissing: false })
      if (reached(db) < last) throw new Error(`${folder} lacks changes up to ${last}`)
      return new StandbyLevel(db)
    } catch (error) {
      await db?.close()
      await removeStandby(location).catch(() => {})
      throw error
    }
  }

  async close(): Promise<void> {
    await this.db.close()
    await rm(this.db.location, { recursive: true, force: true })
  }
}

/** Removes what a crash has left of a standby of the LevelDB in that folder. Throws as `openLevel` if it is in use. */
export async function removeUnusedStandby(folder: string): Promise<void> {
  try {
    const db = await openLevel(standbyFolder(folder), { createIfMissing: false })
    await db.close()
  } catch (error) {
    // The process that has it open serves it, and is about to open the index again.
    if (isLocked(error)) throw error
  }
  await removeStandby(folder)
}

async function removeStandby(folder: string): Promise<void> {
  await rm(standbyFolder(folder), { recursive: true, force: true })
}

function standbyFolder(folder: string): string {
  return `${folder}.standby`
}

/** LevelDB never changes a file that it finds when it opens a folder, so links will do. They take no space. */
async function copyFiles(from: string, to: string): Promise<void> {
  await mkdir(to)
  for (const name of await readdir(from)) {
    // Its lock, and its notes for people.
    if (/^LO(?:CK|G)/.test(name)) continue
    const paths = [join(from, name), join(to, name)] as const
    await link(...paths).catch(error => {
      // A file system without links.
      if (errno(error) !== 'EPERM' && errno(error) !== 'ENOTSUP') throw error
      return copyFile(...paths)
    })
  }
}

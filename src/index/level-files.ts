import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { orAbsent } from '../lib/errno.ts'
import { indexDamaged } from './damage.ts'
import { levelFiles } from './level-manifest.ts'
import { isWholeTable } from './level-table.ts'

/**
 * Reads all table files of the LevelDB in that folder, which may be open, and compares the checksums in them.
 * LevelDB has them and looks at them only where it is told to, which classic-level does not let anybody do. Without
 * this a damaged block is rows that are not found. Throws `INDEX_DAMAGED`.
 */
export async function checkFiles(folder: string): Promise<void> {
  for await (const file of damagedFiles(folder)) throw indexDamaged(file)
}

/** The same, telling of all that are damaged. */
export async function* damagedFiles(folder: string): AsyncIterable<string> {
  const live = await levelFiles(folder)
  if (!live) yield 'index/MANIFEST'
  for (const [number, { size }] of live?.tables ?? []) {
    const name = `${number.toString().padStart(6, '0')}.ldb`
    const table = await orAbsent(readFile(join(folder, name)))
    // Compacted away since; where it should be there LevelDB itself refuses to open.
    if (table && (table.length !== size || !isWholeTable(table))) yield `index/${name}`
    await turn()
  }
}

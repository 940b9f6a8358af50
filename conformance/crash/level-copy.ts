import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { orAbsent } from '../../src/lib/errno.ts'

/** The files of a LevelDB that is open or was, by name. */
export type LevelCopy = ReadonlyMap<string, Buffer>

/** Reads the files; the copy from before where nothing has changed since. Undefined where there is no such folder. */
export async function copyLevel(folder: string, before?: LevelCopy): Promise<LevelCopy | undefined> {
  const names = (await orAbsent(readdir(folder)))?.filter(name => !/^LO(?:CK|G|G\.old)$/.test(name))
  if (!names) return undefined
  const copy = new Map<string, Buffer>()
  for (const name of names) {
    const known = before?.get(name)
    // LevelDB appends to its files, and gives new ones other names; to CURRENT too, of one size always.
    const size = name === 'CURRENT' ? -1 : (await orAbsent(stat(join(folder, name))))?.size
    const bytes = known?.length === size ? known : await orAbsent(readFile(join(folder, name)))
    if (bytes) copy.set(name, known?.equals(bytes) ? known : bytes)
  }
  const same = copy.size === before?.size && [...copy].every(([name, bytes]) => before.get(name) === bytes)
  return same ? before : copy
}

/** Puts the copy in the place of what is there; undefined leaves nothing. */
export async function restoreLevel(folder: string, copy: LevelCopy | undefined): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  if (!copy) return
  await mkdir(folder)
  await Promise.all([...copy].map(([name, bytes]) => writeFile(join(folder, name), bytes)))
}

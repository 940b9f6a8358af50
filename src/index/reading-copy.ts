import { access, copyFile, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { orAbsent } from '../lib/errno.ts'

/** The root of a copy of an index, with its journal, and how to remove it. */
export interface ReadingCopy {
  readonly root: string
  remove(): Promise<void>
}

/**
 * Copies the index of a storage root that cannot be written to a temporary folder, because LevelDB writes when it is
 * opened. Table files never change, so links to them will do; the journal is only read.
 *
 * Another process may be writing the index meanwhile. The description comes first and then what it describes: what has
 * gone by then makes the opening fail, and what came since is in the journal.
 */
export async function copyForReading(storageRoot: string): Promise<ReadingCopy> {
  const root = await mkdtemp(join(tmpdir(), 'memflow-registry-'))
  const remove = () => rm(root, { recursive: true, force: true })
  try {
    const [from, to] = [resolve(storageRoot, 'index'), join(root, 'index')]
    await mkdir(to)
    const names = (await orAbsent(readdir(from))) ?? []
    for (const name of names.sort((a, b) => Number(isTable(a)) - Number(isTable(b)))) {
      if (isTable(name)) await symlink(join(from, name), join(to, name))
      else if (!/^LO(?:CK|G)/.test(name)) await copyFile(join(from, name), join(to, name))
    }
    const journal = resolve(storageRoot, 'journal')
    if ((await orAbsent(access(journal).then(() => true))) === true)
      await symlink(journal, join(root, 'journal'))
    return { root, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

function isTable(name: string): boolean {
  return name.endsWith('.ldb')
}

import { type Dirent, readdirSync, rmSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'

/** Emptied storages: to make the 512 folders that one has for blobs, and to remove them, takes longer than most tests. */
const emptied: string[] = []

process.once('exit', () => {
  for (const folder of emptied) rmSync(folder, { recursive: true, force: true })
})

/** A folder for a storage, with nothing in it but perhaps the layout and the folders that a storage has from its first start. */
export async function takeStorage(): Promise<string> {
  return emptied.pop() ?? (await mkdtemp(join(tmpdir(), 'memflow-registry-')))
}

/** Takes the folder of a storage back that nobody has open any more. */
export async function returnStorage(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name === 'layout') continue
    if (name !== 'blobs') await rm(join(folder, name), { recursive: true })
    else for (const file of filesBelow(join(folder, name))) rmSync(file)
  }
  emptied.push(folder)
}

/** Copies a storage that nobody has open to a folder for one. */
export async function copyStorage(from: string, to: string): Promise<void> {
  for (const file of filesBelow(from)) {
    const copy = join(to, relative(from, file))
    // With the mode that a storage gives its folders: this one may be taken for another.
    await mkdir(dirname(copy), { recursive: true, mode: 0o750 })
    await copyFile(file, copy)
  }
}

/**
 * Inside a describe block: `const storage = storages()`; then `await storage()` is a folder for a new storage each time.
 * They are taken back behind the test, or the block, in which they were taken.
 */
export function storages(): () => Promise<string> {
  const taken: string[] = []
  let ofBlock = 0
  const takeBack = (from: number) => Promise.all(taken.splice(from).map(returnStorage))

  beforeEach(() => {
    ofBlock = taken.length
  })

  afterEach(() => takeBack(ofBlock))

  after(() => takeBack(0))

  return async () => {
    const folder = await takeStorage()
    taken.push(folder)
    return folder
  }
}

function filesBelow(folder: string): string[] {
  const entries: Dirent[] = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries.filter(entry => !entry.isDirectory()).map(({ parentPath, name }) => join(parentPath, name))
}

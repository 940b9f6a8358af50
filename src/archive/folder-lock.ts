import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errno } from '../lib/errno.ts'
import { LayoutError } from './contract.ts'

const NAME = 'lock'

/** Keeps a second writer out of the folder, until it is released. What a process that is gone has left is in nobody's way. */
export async function lockFolder(folder: string): Promise<{ release(): Promise<void> }> {
  const path = join(folder, NAME)
  while (true) {
    try {
      await writeFile(path, `${process.pid}`, { flag: 'wx' })
      return { release: () => rm(path, { force: true }) }
    } catch (error) {
      if (errno(error) !== 'EEXIST') throw error
    }
    const owner = Number(await readFile(path, 'utf8').catch(() => ''))
    if (owner > 0 && isAlive(owner))
      throw new LayoutError(
        `process ${owner} is writing it; wait for that one, or remove ${path} if it is another machine's`,
      )
    await rm(path, { force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return errno(error) === 'EPERM'
  }
}

import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Mounts a file system in memory of that size in bytes; undefined, having said why, if this machine or user may not. */
export async function mountTmpfs(
  folder: string,
  size: number,
): Promise<{ unmount(): Promise<void> } | undefined> {
  await mkdir(folder, { recursive: true })
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder])
  } catch (error) {
    console.log(
      `      skipped: cannot mount a tmpfs here: ${(error as Error).message.trim().split('\n').pop()}`,
    )
    return undefined
  }
  return { unmount: async () => void (await run('umount', [folder])) }
}

import { execFile } from 'node:child_process'
import { truncate, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'

export const run = promisify(execFile)

const DISK_BYTES = 64 * 1024 * 1024

/** Disks of a fixed size that this machine may be able to mount on a folder, as root. */
export const SMALL_DISKS = {
  tmpfs: (folder: string) => run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', folder]),
  ext4: async (folder: string) => {
    await writeFile(`${folder}.img`, '')
    await truncate(`${folder}.img`, DISK_BYTES)
    await run('mkfs.ext4', ['-q', '-m', '0', `${folder}.img`])
    await run('mount', ['-o', 'loop', `${folder}.img`, folder])
  },
}

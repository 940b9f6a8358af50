import { execFile } from 'node:child_process'
import { type FileHandle, mkdir, open, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { errno } from '../../src/lib/errno.ts'

export const DISK_KINDS = ['tmpfs', 'ext4'] as const
export type DiskKind = (typeof DISK_KINDS)[number]

/** The sizes in bytes in which the ballast grows, so that the last byte is taken as well. */
const BALLAST_STEPS = [4 * 2 ** 20, 64 * 2 ** 10, 4096, 1]

export const run = promisify(execFile)

/** A file system of a fixed size, which can be filled to its last byte. */
export class SmallDisk {
  readonly folder: string
  readonly #ballast: string

  private constructor(folder: string) {
    this.folder = folder
    this.#ballast = join(folder, 'ballast')
  }

  /** Mounts it on the folder, which is made. `size` in bytes. Throws if this process may not, or the system cannot. */
  static async mount(kind: DiskKind, folder: string, size: number): Promise<SmallDisk> {
    await mkdir(folder)
    if (kind === 'tmpfs') {
      await run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder])
    } else {
      const image = `${folder}.img`
      await writeFile(image, '')
      await truncate(image, size)
      await run('mkfs.ext4', ['-q', '-m', '0', image])
      await run('mount', ['-o', 'loop', image, folder])
    }
    return new SmallDisk(folder)
  }

  /** Takes all that is free. */
  async fill(): Promise<void> {
    const file = await open(this.#ballast, 'a')
    try {
      for (const [i, step] of BALLAST_STEPS.entries())
        await untilFull(file, Buffer.alloc(step), (BALLAST_STEPS[i - 1] ?? Number.POSITIVE_INFINITY) / step)
    } finally {
      await file.close()
    }
  }

  /** Gives back what `fill` has taken. */
  free(): Promise<void> {
    return rm(this.#ballast, { force: true })
  }

  async unmount(): Promise<void> {
    await run('umount', [this.folder])
  }
}

/** At most so many times, because others may give space back meanwhile. */
async function untilFull(file: FileHandle, bytes: Buffer, times: number): Promise<void> {
  try {
    for (let i = 0; i < times; i++) if ((await file.write(bytes)).bytesWritten < bytes.length) return
  } catch (error) {
    if (errno(error) !== 'ENOSPC') throw error
  }
}

import type { Stats } from 'node:fs'
import type { Fs } from './file-system.ts'

/** What a file holds, and what the system told of it before that was read. */
export interface WholeFile {
  readonly bytes: Buffer
  readonly stats: Stats
}

/** All of a file of so many bytes; undefined where it has more or less. */
export async function readWhole(fs: Fs, path: string, size: number): Promise<WholeFile | undefined> {
  const file = await fs.open(path, 'r')
  try {
    const stats = await file.stat()
    if (stats.size !== size) return undefined
    const bytes = Buffer.allocUnsafe(size)
    const { bytesRead } = await file.read(bytes, 0, size, 0)
    return bytesRead === size ? { bytes, stats } : undefined
  } finally {
    await file.close()
  }
}

import { close, fstat, open, read, type Stats } from 'node:fs'

/** What a file holds, and what the system told of it before that was read. */
export interface WholeFile {
  readonly bytes: Buffer
  readonly stats: Stats
}

/**
 * All of a file of so many bytes; undefined where it has more or less. By callbacks, with which the same four calls
 * take half of the processor time that they take with a FileHandle.
 */
export function readWhole(path: string, size: number): Promise<WholeFile | undefined> {
  return new Promise((resolve, reject) => {
    open(path, 'r', (error, fd) => {
      if (error) return reject(error)
      const end = (error: Error | null, file?: WholeFile) =>
        close(fd, () => (error ? reject(error) : resolve(file)))
      fstat(fd, (error, stats) => {
        if (error || stats.size !== size) return end(error)
        const bytes = Buffer.allocUnsafe(size)
        read(fd, bytes, 0, size, 0, (error, count) =>
          error || count !== size ? end(error) : end(null, { bytes, stats }),
        )
      })
    })
  })
}

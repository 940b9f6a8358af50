import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'

/** Measured: 64 KiB, the default of node:fs, costs two thirds of the throughput. */
const CHUNK = 1024 * 1024

/**
 * The bytes [start, end) of a file. The handle is closed at the end or when the stream is destroyed.
 * A file that ends before `end` is an error, never a short answer.
 * `inspect` sees each chunk before it goes out, and ends the stream where it rejects.
 */
export function fileStream(
  open: () => Promise<FileHandle>,
  start: number,
  end: number,
  inspect?: (chunk: Buffer, last: boolean) => Promise<void>,
): Readable {
  let file: FileHandle | undefined
  let position = start

  return new Readable({
    highWaterMark: CHUNK,
    construct(done) {
      open().then(handle => {
        file = handle
        done()
      }, done)
    },
    read() {
      // Not zeroed: only what the file filled is pushed.
      const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK, end - position))
      if (buffer.length === 0) return void this.push(null)
      file
        ?.read(buffer, 0, buffer.length, position)
        .then(async ({ bytesRead }) => {
          position += bytesRead
          if (bytesRead === 0) throw new Error(`the file ends at byte ${position}, not at ${end}`)
          const chunk = buffer.subarray(0, bytesRead)
          if (inspect) await inspect(chunk, position === end)
          this.push(chunk)
        })
        .catch(error => this.destroy(error))
    },
    destroy(error, done) {
      // close() waits for a read that is under way.
      if (file) file.close().then(() => done(error), done)
      else done(error)
    },
  })
}

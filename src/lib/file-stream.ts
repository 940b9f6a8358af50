import { Readable } from 'node:stream'
import { CHUNK, takeChunk } from './chunk-pool.ts'
import type { OpenFile } from './open-file.ts'

interface FileStreamOptions {
  readonly inspect?: (chunk: Buffer, last: boolean) => Promise<void>
  readonly arrived?: (position: number) => Promise<number>
  /** Called before each read with the bytes that are left: how many of them the next chunk may have. */
  readonly chunkSize?: ((left: number) => number) | undefined
}

/**
 * The bytes [start, end) of a file. The handle is closed at the end or when the stream is destroyed.
 * A file that ends before `end` is an error, never a short answer.
 * `inspect` sees each chunk before it goes out, and ends the stream where it rejects. For a file that grows, `arrived`
 * waits for the byte at a position, and answers up to where there are bytes.
 */
export function fileStream(
  open: () => Promise<OpenFile>,
  start: number,
  end: number,
  { inspect, arrived, chunkSize = () => CHUNK }: FileStreamOptions = {},
): Readable {
  let file: OpenFile | undefined
  let position = start

  return new Readable({
    // Chunk by chunk: read() would join them, which is to copy them.
    objectMode: true,
    highWaterMark: 1,
    construct(done) {
      open().then(handle => {
        file = handle
        done()
      }, done)
    },
    read() {
      if (position === end) this.push(null)
      else if (!arrived) next(this, end)
      else
        arrived(position).then(
          until => next(this, until),
          error => this.destroy(error),
        )
    },
    destroy(error, done) {
      // close() waits for a read that is under way.
      if (file) file.close().then(() => done(error), done)
      else done(error)
    },
  })

  /** Pushes a chunk of what stands before `until`. */
  function next(stream: Readable, until: number): void {
    const size = chunkSize(end - position)
    const buffer = takeChunk(size)
    file
      ?.read(buffer, 0, Math.min(buffer.length, size, until - position), position)
      .then(async ({ bytesRead }) => {
        position += bytesRead
        if (bytesRead === 0) throw new Error(`the file ends at byte ${position}, not at ${end}`)
        // Only what the file filled.
        const chunk = buffer.subarray(0, bytesRead)
        if (inspect) await inspect(chunk, position === end)
        stream.push(chunk)
      })
      .catch(error => stream.destroy(error))
  }
}

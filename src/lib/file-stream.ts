import { Readable } from 'node:stream'
import { CHUNK, giveBack, takeChunk } from './chunk-pool.ts'
import type { OpenFile } from './open-file.ts'

/** An open file, as far as a stream needs it. */
export type ReadableFile = Pick<OpenFile, 'read' | 'close'>

interface FileStreamOptions {
  readonly inspect?: (chunk: Buffer, last: boolean) => Promise<void>
  readonly arrived?: (position: number) => Promise<number>
  /** Called before each read with the bytes that are left: how many of them the next chunk may have. */
  readonly chunkSize?: ((left: number) => number) | undefined
  /** The caller closes the file, after the stream has closed. */
  readonly keepOpen?: boolean | undefined
}

/**
 * The bytes [start, end) of a file. The handle is closed at the end or when the stream is destroyed, unless it is to be kept open.
 * A file that ends before `end` is an error, never a short answer.
 * `inspect` sees each chunk before it goes out, and ends the stream where it rejects. For a file that grows, `arrived`
 * waits for the byte at a position, and answers up to where there are bytes.
 */
export function fileStream(
  open: () => Promise<ReadableFile>,
  start: number,
  end: number,
  { inspect, arrived, chunkSize = () => CHUNK, keepOpen }: FileStreamOptions = {},
): Readable {
  let file: ReadableFile | undefined
  let position = start
  let pushed: Buffer | undefined

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
          until => {
            if (!this.destroyed) next(this, until)
          },
          error => this.destroy(error),
        )
    },
    destroy(error, done) {
      // Nobody will read it. Memory that is left to the garbage collector stays in use for long.
      if (this.readableLength > 0 && pushed) giveBack(pushed)
      // close() waits for a read that is under way.
      if (file && !keepOpen) file.close().then(() => done(error), done)
      else done(error)
    },
  })

  /** Pushes a chunk of what stands before `until`. */
  function next(stream: Readable, until: number): void {
    fill(until).then(
      chunk => {
        if (stream.destroyed) return giveBack(chunk)
        pushed = chunk
        stream.push(chunk)
      },
      error => stream.destroy(error),
    )
  }

  async function fill(until: number): Promise<Buffer> {
    const size = chunkSize(end - position)
    const buffer = takeChunk(size)
    try {
      const length = Math.min(buffer.length, size, until - position)
      // It was opened by `construct`, without which nothing is read.
      const { bytesRead } = await (file as OpenFile).read(buffer, 0, length, position)
      position += bytesRead
      if (bytesRead === 0) throw new Error(`the file ends at byte ${position}, not at ${end}`)
      // Only what the file filled.
      const chunk = buffer.subarray(0, bytesRead)
      if (inspect) await inspect(chunk, position === end)
      return chunk
    } catch (error) {
      giveBack(buffer)
      throw error
    }
  }
}

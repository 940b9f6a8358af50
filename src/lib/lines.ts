import type { Readable } from 'node:stream'

/** A line with where it ends, in bytes, its line feed counted. */
export interface Line {
  readonly text: string
  readonly end: number
}

/** The lines of a stream that end with a line feed; what follows the last one is left out. */
export async function* lines(source: Readable): AsyncIterable<Line> {
  let rest = Buffer.alloc(0)
  let end = 0
  for await (const chunk of source as AsyncIterable<Buffer>) {
    // A line that goes over several chunks is put together once it has ended.
    if (!chunk.includes(10)) {
      rest = Buffer.concat([rest, chunk])
      continue
    }
    const bytes = Buffer.concat([rest, chunk])
    let start = 0
    for (let feed = bytes.indexOf(10); feed >= 0; feed = bytes.indexOf(10, start)) {
      end += feed + 1 - start
      yield { text: bytes.toString('utf8', start, feed), end }
      start = feed + 1
    }
    rest = bytes.subarray(start)
  }
}

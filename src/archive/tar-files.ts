import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { extract } from 'tar-stream'
import { limited } from '../lib/limited.ts'

export interface TarLimits {
  /** Bytes of one file; a larger one is passed over. */
  readonly file: number
  /** Bytes of the archive, unpacked. */
  readonly total: number
  /** Entries of any kind. */
  readonly entries: number
}

export interface TarFile {
  readonly name: string
  readonly bytes: Buffer
}

/** The archive went past a limit, or is damaged. */
export class TarError extends Error {
  override readonly name = 'TarError'
}

/**
 * The regular files of a tar, one at a time, whose first bytes are wanted.
 * Throws `TarError` where the archive is damaged or goes past a limit; nothing is ever written to disk.
 */
export async function* tarFiles(
  source: Readable,
  { gzip, wanted, limits }: { gzip: boolean; wanted: (head: Buffer) => boolean; limits: TarLimits },
): AsyncIterable<TarFile> {
  const entries = extract()
  const done = (error?: Error | null) => {
    if (error) entries.destroy(error)
  }
  // Counted as it comes: names, padding and what lies behind the end cost as much as files do.
  const unpacked = (bytes: AsyncIterable<Buffer>) => limited(bytes, limits.total, tooLarge)
  if (gzip) pipeline(source, createGunzip(), unpacked, entries, done)
  else pipeline(source, unpacked, entries, done)
  let count = 0
  try {
    for await (const entry of entries) {
      const { name, type, size = 0 } = entry.header
      if (++count > limits.entries || size > limits.total) throw tooLarge()
      const bytes =
        type === 'file' && size <= limits.file
          ? await read(entry as AsyncIterable<Buffer>, size, wanted)
          : undefined
      entry.resume()
      if (bytes) yield { name, bytes }
    }
  } catch (cause) {
    throw cause instanceof TarError ? cause : new TarError('the archive is damaged', { cause })
  } finally {
    source.destroy()
    entries.destroy()
  }
}

function tooLarge(): TarError {
  return new TarError('the archive is too large to look into')
}

/** The entry's bytes, in shared memory, or undefined as soon as its head is not wanted. */
async function read(
  entry: AsyncIterable<Buffer>,
  size: number,
  wanted: (head: Buffer) => boolean,
): Promise<Buffer | undefined> {
  let head: Buffer = Buffer.alloc(0)
  let bytes: Buffer | undefined
  let end = 0
  // An entry must be read to its end before the next one comes.
  for await (const chunk of entry) {
    if (head.length >= 4) {
      if (bytes) end += chunk.copy(bytes, end)
      continue
    }
    head = Buffer.concat([head, chunk])
    if (head.length < 4 || !wanted(head)) continue
    bytes = Buffer.from(new SharedArrayBuffer(size))
    end = head.copy(bytes)
  }
  return bytes
}

import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { extract } from 'tar-stream'

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
  if (gzip) pipeline(source, createGunzip(), entries, done)
  else pipeline(source, entries, done)
  let total = 0
  let count = 0
  try {
    for await (const entry of entries) {
      const { name, type, size = 0 } = entry.header
      total += size
      if (++count > limits.entries || total > limits.total)
        throw new TarError('the archive is too large to look into')
      const bytes =
        type === 'file' && size <= limits.file
          ? await read(entry as AsyncIterable<Buffer>, wanted)
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

/** The entry's bytes, or undefined as soon as its head is not wanted. */
async function read(
  entry: AsyncIterable<Buffer>,
  wanted: (head: Buffer) => boolean,
): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let looked = false
  let unwanted = false
  // An entry must be read to its end before the next one comes.
  for await (const chunk of entry) {
    if (unwanted) continue
    chunks.push(chunk)
    if (!looked) {
      const head = Buffer.concat(chunks)
      if (head.length < 4) continue
      looked = true
      unwanted = !wanted(head)
    }
  }
  return looked && !unwanted ? Buffer.concat(chunks) : undefined
}

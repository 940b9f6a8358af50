import { crc32 } from 'node:zlib'
import type { Fs } from '../lib/file-system.ts'
import { writeAll } from '../lib/write-all.ts'
import { type Digest, isDigest } from '../oci/digest.ts'
import { FILE_MODE } from './durable.ts'

/** A blob file that was found right. */
export interface VerifiedBlob {
  readonly digest: Digest
  /** Of the file, see `versionOf`. */
  readonly version: string
  /** When it was found right, in milliseconds since 1970. */
  readonly at: number
}

/**
 * Keeps which blob files were found right past a restart: lines of digest, time and version, and a checksum of them. It
 * is a cache, so it is not synced: what a crash leaves of it has a wrong checksum, and is as none.
 */
export class VerifiedFile {
  readonly #fs: Fs
  readonly #path: string

  constructor(fs: Fs, path: string) {
    this.#fs = fs
    this.#path = path
  }

  /** Nothing, if the file is not there or not as it was written. */
  async read(): Promise<VerifiedBlob[]> {
    const text = await this.#fs.readFile(this.#path, 'utf8').catch(() => '')
    const end = text.lastIndexOf('\n', text.length - 2) + 1
    const lines = text.slice(0, end)
    if (text.slice(end) !== `${crc32(lines)}\n`) return []
    return lines.split('\n').flatMap(line => {
      const [digest = '', at = '', ...version] = line.split(' ')
      return isDigest(digest) ? [{ digest, at: Number(at), version: version.join(' ') }] : []
    })
  }

  async write(blobs: readonly VerifiedBlob[]): Promise<void> {
    const lines = blobs.map(({ digest, at, version }) => `${digest} ${Math.round(at)} ${version}\n`).join('')
    const staged = `${this.#path}.new`
    const file = await this.#fs.open(staged, 'w', FILE_MODE)
    try {
      await writeAll(file, [Buffer.from(`${lines}${crc32(lines)}\n`)], 0)
    } finally {
      await file.close()
    }
    await this.#fs.rename(staged, this.#path)
  }
}

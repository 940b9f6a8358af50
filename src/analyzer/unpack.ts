import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { TarError, TarFiles, type TarLimits } from '../archive/tar-files.ts'
import { type Digest, digestOf } from '../oci/digest.ts'
import { isBinary } from '../plugin/analyze.ts'
import { PluginError } from '../plugin/error.ts'
import { type Examination, examine } from '../plugin/examine.ts'

export interface UnpackOptions {
  readonly gzip: boolean
  readonly limits: TarLimits & {
    /** Bytes of the archive, unpacked. */
    readonly bytes: number
    /** Plugins in it. */
    readonly plugins: number
  }
}

/** A plugin binary in an archive. */
export interface ArchivedPlugin extends Examination {
  readonly binary: Digest
  /** Shared memory, valid until the next plugin is asked for. */
  readonly bytes: Uint8Array
}

/** What it took to search an archive. */
export interface Unpacked {
  /** Bytes of the archive, unpacked, at most the limit. */
  readonly bytes: number
  /** At most the limit. */
  readonly entries: number
  /** The limit at which the search has ended, in words. Absent when the archive was searched whole, or is damaged. */
  readonly past?: string
  /** Why plugins may be in it that were passed over: it is damaged, or has files that are not read. */
  readonly unread?: string
}

/** Memory of one step of zlib. With the preset, 16 KiB, unpacking takes twice as long. */
const STEP = 128 * 1024

/** The plugin binaries in a tar or tar+gzip, each once. Of an archive that is damaged, those that
 * were unpacked before the damage was met. */
export async function* unpack(
  source: AsyncIterable<Uint8Array>,
  { gzip, limits }: UnpackOptions,
): AsyncGenerator<ArchivedPlugin, Unpacked> {
  const files = new TarFiles(isBinary, limits)
  const seen = new Set<Digest>()
  let bytes = 0
  let plugins = 0
  let past: string | undefined
  let damage: string | undefined
  try {
    for await (const chunk of gzip ? gunzipped(source) : source) {
      bytes += chunk.length
      for (const file of files.add(chunk)) {
        const binary = digestOf(file)
        const examination = seen.has(binary) ? undefined : examinationOf(file)
        seen.add(binary)
        if (!examination) continue
        if (++plugins > limits.plugins)
          throw new TarError(`the archive has more than ${limits.plugins} plugins`, true)
        yield { binary, bytes: file, ...examination }
      }
      if (bytes > limits.bytes)
        throw new TarError(`the archive unpacks to more than ${limits.bytes} bytes`, true)
    }
    files.end()
  } catch (error) {
    // What cannot be unpacked holds no plugin and is a blob like any other.
    if (!(error instanceof TarError)) throw error
    if (error.limit) past = error.message
    else damage = error.message
  }
  const unread = damage ?? files.unread
  return {
    bytes: Math.min(bytes, limits.bytes),
    entries: Math.min(files.entries, limits.entries),
    ...(past && { past }),
    ...(unread && { unread }),
  }
}

/** Throws `TarError` when it is no gzip, or damaged, and as the source does. */
async function* gunzipped(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: STEP })
  const compressed = Readable.from(source, { objectMode: false })
  let failure: unknown
  compressed.once('error', error => {
    failure = error
  })
  pipeline(compressed, gunzip, () => {})
  try {
    for await (const chunk of gunzip) yield chunk
  } catch {
    throw failure ?? new TarError('the archive is damaged', false)
  } finally {
    compressed.destroy()
    gunzip.destroy()
  }
}

function examinationOf(file: Uint8Array): Examination | undefined {
  try {
    return examine(file)
  } catch (error) {
    if (error instanceof PluginError) return undefined
    throw error
  }
}

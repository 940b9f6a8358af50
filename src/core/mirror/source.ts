import type { Digest } from '../../oci/digest.ts'
import type { RemoteBlob } from '../../remote/contract.ts'
import { RemoteError } from '../../remote/error.ts'

/** How often a transfer that breaks off is resumed, and how many bytes must come for it to be counted anew. */
const MAX_RESUMES = 2
const PROGRESS_BYTES = 16 * 1024 * 1024

/** Where the bytes of a blob come from. All methods throw `RemoteError`, and `BLOB_UNKNOWN` if no upstream has it. */
export interface Source {
  /** The upstream's name. */
  readonly name: string
  /** The bytes from `start` on. */
  open(start: number): Promise<RemoteBlob>
  /** The size in bytes by a HEAD; undefined if the upstream does not state one. */
  stat(): Promise<number | undefined>
}

/**
 * The bytes of a blob. A transfer that breaks off is resumed where it stood.
 * Throws a `RemoteError` if more than `max` bytes come, or if a resumed transfer would end elsewhere than at `size`.
 * An abort of the signal ends the transfer, also one that is silent, with the signal's reason.
 */
export async function* transfer(
  source: Source,
  first: RemoteBlob,
  max: number,
  signal: AbortSignal,
  size?: number,
): AsyncGenerator<Uint8Array> {
  let blob: RemoteBlob | undefined = first
  const cancel = () => blob?.cancel()
  signal.addEventListener('abort', cancel)
  let position = 0
  let begin = 0
  try {
    for (let resumes = 0; ; resumes++) {
      if (position - begin >= PROGRESS_BYTES) resumes = 0
      begin = position
      try {
        blob ??= await resumed(source, position, size)
        for await (const chunk of blob.body) {
          position += chunk.length
          if (position > max) break
          yield chunk
        }
        if (position > max) throw wrong(source, `it sends more than the ${max} bytes that the blob can have`)
        return
      } catch (error) {
        signal.throwIfAborted()
        if (!(error instanceof RemoteError) || position > max) throw error
        if (resumes === MAX_RESUMES && position - begin < PROGRESS_BYTES) throw error
      }
      blob?.cancel()
      blob = undefined
    }
  } finally {
    signal.removeEventListener('abort', cancel)
    blob?.cancel()
  }
}

async function resumed(source: Source, position: number, size: number | undefined): Promise<RemoteBlob> {
  const blob = await source.open(position)
  if (size === undefined || blob.size === undefined || position + blob.size === size) return blob
  blob.cancel()
  throw wrong(source, `it resumes a blob of ${size} bytes as one of ${position + blob.size}`)
}

/** The bytes that came have another digest. */
export function wrongBytes(source: Source, digest: Digest): RemoteError {
  return wrong(source, `what it sent is not what the digest says (${digest})`)
}

/** That what came is not what it must be. */
export function wrong({ name }: Source, message: string): RemoteError {
  return new RemoteError(name, 'wrong', `${name}: ${message}`)
}

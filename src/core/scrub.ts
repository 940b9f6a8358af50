import { errno } from '../lib/errno.ts'
import type { Digest } from '../oci/digest.ts'
import type { BlobStore } from '../store/contract.ts'

/** A blob that was looked at. */
export interface Scrubbed {
  readonly digest: Digest
  readonly size: number
  /** Damaged: out of service from now on. Unreadable: the medium fails; the blob is left where it is. */
  readonly outcome: 'whole' | 'damaged' | 'unreadable'
}

/**
 * Reads every blob whole, in the order of their digests from behind `after`, and tells of each one.
 * `pace` is told of every part that was read; what it throws ends the scrub.
 */
export async function* scrub(
  store: BlobStore,
  pace: (bytes: number) => Promise<void>,
  after?: Digest,
): AsyncGenerator<Scrubbed> {
  for await (const { digest, size } of store.list(after)) {
    const outcome = await verify(store, digest, pace)
    // Undefined: removed since it was listed.
    if (outcome) yield { digest, size, outcome }
  }
}

/** How media and file systems say that what was written cannot be read. */
export const UNREADABLE = new Set<string | undefined>(['EIO', 'EBADMSG', 'EUCLEAN'])

async function verify(
  store: BlobStore,
  digest: Digest,
  pace: (bytes: number) => Promise<void>,
): Promise<Scrubbed['outcome'] | undefined> {
  try {
    const whole = await store.verify(digest, pace)
    return whole === undefined ? undefined : whole ? 'whole' : 'damaged'
  } catch (error) {
    if (UNREADABLE.has(errno(error))) return 'unreadable'
    throw error
  }
}

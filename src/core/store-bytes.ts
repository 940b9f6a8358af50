import { randomUUID } from 'node:crypto'
import { algorithmOf, type Digest, digestOf } from '../oci/digest.ts'
import type { BlobStore } from '../store/contract.ts'

/** Makes bytes that are at hand a durable blob. */
export function storeBytes(store: BlobStore, bytes: Uint8Array, digest = digestOf(bytes)): Promise<Digest> {
  return storeStream(store, inParts(bytes), digest, bytes.length)
}

/** Makes a stream of at most `max` bytes a durable blob. Throws `DIGEST_INVALID`, and as the stream does; nothing stays then. */
export async function storeStream(
  store: BlobStore,
  stream: AsyncIterable<Uint8Array>,
  digest: Digest,
  max: number,
): Promise<Digest> {
  return store.stage(randomUUID(), algorithmOf(digest), async upload => {
    await upload.append(stream, { max })
    await upload.commit(digest)
    return digest
  })
}

/** Small enough that hashing one holds nobody up. */
async function* inParts(bytes: Uint8Array, size = 256 * 1024): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

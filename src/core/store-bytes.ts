import { randomUUID } from 'node:crypto'
import { type Digest, digestOf } from '../oci/digest.ts'
import type { BlobStore } from '../store/contract.ts'

/** Makes bytes that are at hand a durable blob. */
export async function storeBytes(
  store: BlobStore,
  bytes: Uint8Array,
  digest = digestOf(bytes),
): Promise<Digest> {
  const upload = await store.begin(randomUUID())
  try {
    await upload.append(inParts(bytes), { max: bytes.length })
    await upload.commit(digest)
    return digest
  } catch (error) {
    await upload.abort()
    throw error
  }
}

/** Small enough that hashing one holds nobody up. */
async function* inParts(bytes: Uint8Array, size = 256 * 1024): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

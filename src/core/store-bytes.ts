import { randomUUID } from 'node:crypto'
import { type Digest, digestOf } from '../oci/digest.ts'
import type { BlobStore } from '../store/contract.ts'

/** Makes bytes that are at hand a durable blob. */
export async function storeBytes(store: BlobStore, bytes: Uint8Array): Promise<Digest> {
  const digest = digestOf(bytes)
  const upload = await store.begin(randomUUID())
  try {
    await upload.append(once(bytes), { max: bytes.length })
    await upload.commit(digest)
    return digest
  } catch (error) {
    await upload.abort()
    throw error
  }
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}

import { buffer } from 'node:stream/consumers'
import { type Algorithm, type Digest, digestOf } from '../../src/oci/digest.ts'
import type { BlobHandle, BlobInfo, BlobStore, Upload } from '../../src/store/contract.ts'

/** More bytes than any spec sends. */
export const MAX = 64 * 1024 * 1024
let ids = 0

/** Stages and commits the bytes. */
export async function push(store: BlobStore, bytes: Uint8Array, algorithm?: Algorithm): Promise<BlobInfo> {
  const upload = await begin(store, algorithm)
  return upload.hold(async () => {
    await upload.append(body(bytes), { at: 0, max: MAX })
    return upload.commit(digestOf(bytes, algorithm))
  })
}

/** The blob, which has to be there. */
export async function opened(store: BlobStore, digest: Digest): Promise<BlobHandle> {
  const blob = await store.open(digest)
  if (!blob) throw new Error(`no blob ${digest}`)
  return blob
}

/** All its bytes. */
export async function content(store: BlobStore, digest: Digest): Promise<Buffer> {
  return buffer((await opened(store, digest)).read())
}

/** A request's body in these chunks. */
export async function* body(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk)
}

/** An upload under an id of its own. */
export function begin(store: BlobStore, algorithm?: Algorithm): Promise<Upload> {
  return store.begin(`upload-${ids++}`, algorithm)
}

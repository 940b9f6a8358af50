import type { Readable } from 'node:stream'
import type { LayoutReader } from '../../archive/contract.ts'
import { readTarLayout } from '../../archive/tar-layout.ts'
import { RegistryError } from '../../oci/errors.ts'
import type { BlobStore } from '../../store/contract.ts'
import { storeStream } from '../store-bytes.ts'

/**
 * A layout in a tar, which can be read once only: its blobs go straight into the store. Those that no manifest takes up,
 * such as the manifests themselves, are garbage there. `progress` hears of every blob's bytes. Throws `LayoutError`.
 */
export async function unpack(
  tar: Readable,
  store: BlobStore,
  progress: (bytes: number) => void = () => {},
): Promise<LayoutReader> {
  const index = await readTarLayout(tar, async (digest, size, bytes) => {
    progress(size)
    if ((await store.stat(digest))?.size === size) return
    try {
      await storeStream(store, bytes, digest, size)
    } catch (error) {
      // Whoever needs it will miss it.
      if (!(error instanceof RegistryError) || error.error !== 'DIGEST_INVALID') throw error
    }
  })
  return {
    index: async () => index,
    has: async digest => (await store.stat(digest)) !== undefined,
    open: async digest => {
      const handle = await store.open(digest)
      return handle && { size: handle.size, bytes: handle.read() }
    },
  }
}

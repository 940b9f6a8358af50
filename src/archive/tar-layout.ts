import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { extract } from 'tar-stream'
import { errno } from '../lib/errno.ts'
import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import { checkLayoutHeader, digestAt, INDEX_FILE, LAYOUT_FILE, MAX_INDEX_BYTES } from '../oci/layout.ts'
import { LayoutError } from './contract.ts'

/** Takes a blob out of an archive, or leaves it: what it does not read is passed over. */
export type TakeBlob = (digest: Digest, size: number, bytes: AsyncIterable<Uint8Array>) => Promise<void>

/**
 * Goes through a layout in a tar, which is read once: its blobs go to `take` as they come, and index.json, which may be
 * anywhere, is the answer. Throws `LayoutError` where it is none, and what `take` throws.
 */
export async function readTarLayout(source: Readable, take: TakeBlob): Promise<Uint8Array> {
  const documents = new Map<string, Buffer>()
  const entries = extract()
  pipeline(source, entries, error => {
    if (error) entries.destroy(error)
  })
  try {
    for await (const entry of entries) {
      const { name, type, size = 0 } = entry.header
      const path = name.replace(/^(?:\.\/)+/, '')
      const digest = digestAt(path)
      if (type === 'file' && digest) await take(digest, size, entry as AsyncIterable<Buffer>)
      if (type === 'file' && (path === LAYOUT_FILE || path === INDEX_FILE)) {
        if (size > MAX_INDEX_BYTES) throw new LayoutError(`its ${path} is too large`)
        documents.set(path, await buffer(entry))
      }
      entry.resume()
    }
  } catch (cause) {
    const told = cause instanceof LayoutError || cause instanceof RegistryError || errno(cause)
    throw told ? cause : new LayoutError('it is no tar, or it is damaged', { cause })
  } finally {
    source.destroy()
    entries.destroy()
  }
  const header = documents.get(LAYOUT_FILE)
  const index = documents.get(INDEX_FILE)
  if (!header || !index)
    throw new LayoutError(`it has no ${header ? INDEX_FILE : LAYOUT_FILE}: it is no OCI image layout`)
  checkLayoutHeader(header)
  return index
}

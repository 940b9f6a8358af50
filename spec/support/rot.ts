import { appendFile, open, readdir, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { algorithmOf, type Digest, hexOf } from '../../src/oci/digest.ts'

/** The file of a blob in that storage folder. */
export function blobFile(root: string, digest: Digest): string {
  return join(root, 'blobs', algorithmOf(digest), hexOf(digest).slice(0, 2), hexOf(digest))
}

/** What can happen to a file behind the registry's back. */
export const ROT: Record<string, (path: string) => Promise<void>> = {
  'a flipped bit': path => flip(path, 0),
  'a flipped bit at its end': path => flip(path, -1),
  'a missing end': async path => truncate(path, (await sizeOf(path)) - 1),
  'nothing left': path => truncate(path, 0),
  'an end that is not its own': path => appendFile(path, 'x'),
}

/** Names of the damaged files that were put aside. */
export async function quarantined(root: string): Promise<string[]> {
  return (await readdir(join(root, 'quarantine'))).sort()
}

/** Flips the lowest bit of the byte there, counted from the end where it is negative. */
export async function flip(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const position = at < 0 ? (await file.stat()).size + at : at
    const byte = Buffer.alloc(1)
    await file.read(byte, 0, 1, position)
    byte[0] = (byte[0] ?? 0) ^ 1
    await file.write(byte, 0, 1, position)
  } finally {
    await file.close()
  }
}

async function sizeOf(path: string): Promise<number> {
  const file = await open(path)
  const { size } = await file.stat()
  await file.close()
  return size
}

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { until } from '../../spec/support/until.ts'
import { digestOf } from '../../src/oci/digest.ts'

/** What lies in the storage that should not: staged files that stay, quarantined ones, blobs that are not what they are called. */
export async function litterIn(storage: string): Promise<string[]> {
  const staged = () => readdir(join(storage, 'uploads'))
  // Who gives a transfer up need not wait until its file is gone.
  await until(async () => (await staged()).length === 0)
  const litter = [...(await readdir(join(storage, 'quarantine')))]
  for (const digest of await blobsIn(storage)) {
    if (digestOf(await readFile(blobFile(storage, digest))) !== digest) litter.push(digest)
  }
  return litter
}

/** The digests of all blobs. */
export async function blobsIn(storage: string): Promise<string[]> {
  const files = await readdir(join(storage, 'blobs/sha256'), { recursive: true, withFileTypes: true })
  return files.filter(file => file.isFile()).map(({ name }) => `sha256:${name}`)
}

function blobFile(storage: string, digest: string): string {
  const hex = digest.slice('sha256:'.length)
  return join(storage, 'blobs/sha256', hex.slice(0, 2), hex)
}

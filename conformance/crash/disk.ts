import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Tally } from './tally.ts'

/**
 * Milliseconds, to end what never comes: what nobody needs lasts two grace periods, the row's and the upload's, and the
 * passes between, which is some seconds on a quiet machine.
 */
const PATIENCE = 180_000

/** Waits until the disk has the blobs that are needed and nothing else. */
export async function checkLeft(storage: string, needed: ReadonlySet<string>, tally: Tally): Promise<void> {
  const end = Date.now() + PATIENCE
  let left: string[] = []
  let uploads: string[] = []
  do {
    await sleep(500)
    left = await blobsIn(storage)
    uploads = await readdir(join(storage, 'uploads'))
  } while ((left.length > needed.size || uploads.length > 0) && Date.now() < end)
  const missing = [...needed].filter(digest => !left.includes(digest))
  const extra = left.filter(digest => !needed.has(digest))
  const such = (list: string[]) => `${list.length}, such as ${list[0]}`
  tally.check(missing.length === 0, `dangling: blobs that are needed are not on the disk: ${such(missing)}`)
  tally.check(extra.length === 0, `left over: blobs: ${such(extra)}`)
  tally.check(uploads.length === 0, `left over: uploads: ${such(uploads)}`)
}

async function blobsIn(storage: string): Promise<string[]> {
  const digests: string[] = []
  for (const algorithm of ['sha256', 'sha512']) {
    const files = await readdir(join(storage, 'blobs', algorithm), { recursive: true })
    for (const file of files) {
      const [, hex] = file.split('/')
      if (hex) digests.push(`${algorithm}:${hex}`)
    }
  }
  return digests
}

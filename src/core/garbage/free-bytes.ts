import { del, type Reader } from '../../index/contract.ts'
import { VERDICTS } from '../../index/search-tables.ts'
import { CLAIMS, HOLDERS } from '../../index/tables.ts'
import type { Digest } from '../../oci/digest.ts'
import { withoutKeepers } from '../changes.ts'
import type { Parts } from '../parts.ts'

/** Whether neither a repository nor a plugin has the blob; `lost`: so many of the repositories do not count. */
export async function isFree(reader: Reader, digest: Digest, lost = 0): Promise<boolean> {
  const holders = await reader.page(HOLDERS, [digest], { limit: lost + 1 })
  if (holders.length > lost) return false
  const [claim] = await reader.page(CLAIMS, [digest], { limit: 1 })
  return claim === undefined
}

/** False where they are gone, somebody has them, or is about to. */
export async function removeBytes(
  { index, store }: Pick<Parts, 'index' | 'store'>,
  digest: Digest,
): Promise<boolean> {
  const removed = await withoutKeepers(index, digest, async () => {
    if (!(await isFree(index, digest))) return false
    // Before the bytes, so that no row is left of a blob that is gone.
    if (await index.get(VERDICTS, digest)) await index.apply([del(VERDICTS, [digest])])
    return store.remove(digest)
  })
  return removed === true
}

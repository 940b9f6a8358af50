import { formatSize } from '../lib/format-size.ts'
import { count } from './count.ts'

/** What a sync has brought, of one repository or in all. */
export interface SyncTally {
  tags: number
  manifests: number
  blobs: number
  /** Of the blobs. */
  bytes: number
  newBlobs: number
  newBytes: number
  failed: number
}

export function newTally(): SyncTally {
  return { tags: 0, manifests: 0, blobs: 0, bytes: 0, newBlobs: 0, newBytes: 0, failed: 0 }
}

export function addTally(sum: SyncTally, more: SyncTally): void {
  for (const key of Object.keys(sum) as (keyof SyncTally)[]) sum[key] += more[key]
}

/** `2 tags, 3 manifests, 5 blobs (1.2 GiB), of them 1 new (300.0 MiB)`. */
export function summaryOf({ tags, manifests, blobs, bytes, newBlobs, newBytes, failed }: SyncTally): string {
  const parts = [
    ...(manifests > 0 ? [count(tags, 'tag'), count(manifests, 'manifest')] : []),
    `${count(blobs, 'blob')} (${formatSize(bytes)})`,
    `of them ${newBlobs} new (${formatSize(newBytes)})`,
  ]
  return parts.join(', ') + (failed > 0 ? `; ${failed} not synced` : '')
}

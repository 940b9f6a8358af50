import type { Batch } from '../../index/batch.ts'
import type { Reader, Table } from '../../index/contract.ts'
import { COMPOSED, LINKS, type Noted, TAGGED } from '../../index/tables.ts'
import { dropBlob } from '../blobs.ts'
import { removeIndex } from '../composed-tags.ts'
import type { Parts } from '../parts.ts'
import { isReferenced } from '../references.ts'

/** What garbage collection stands on. */
export type GarbageParts = Pick<Parts, 'store' | 'index' | 'clock' | 'policy'>

type Key = [repository: string, digest: string]

/** Rows that go a grace period after they were first found to be of no use. */
export interface Rule<Row extends Noted> {
  readonly kind: 'link' | 'index'
  readonly table: Table<Key, Row>
  isNeeded(reader: Reader, ...key: Key): Promise<boolean>
  remove(batch: Batch, key: Readonly<Key>): void
}

/** A link is needed by the manifests of its repository. */
export const UNUSED_LINKS: Rule<Noted & { readonly size: number }> = {
  kind: 'link',
  table: LINKS,
  isNeeded: isReferenced,
  remove: (batch, key) => dropBlob(batch, ...key),
}

/** An index that the registry composed is needed by its tags, and by manifests that users made of it. */
export const OLD_INDEXES: Rule<Noted> = {
  kind: 'index',
  table: COMPOSED,
  isNeeded: async (reader, ...key) => {
    const [tag] = await reader.page(TAGGED, key, { limit: 1 })
    return tag !== undefined || (await isReferenced(reader, ...key))
  },
  remove: removeIndex,
}

import type { Entry, Table } from '../index/contract.ts'
import { REFERRERS, REFERRERS_BY_TYPE, REPOSITORIES, TAGS } from '../index/tables.ts'
import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import { type Descriptor, MAX_MANIFEST_BYTES } from '../oci/manifest.ts'
import type { Repository } from '../oci/name.ts'
import type { Parts } from './parts.ts'

/** Part of a list. */
export interface ListPage<T> {
  readonly items: readonly T[]
  /** What the next page begins behind; undefined on the last one. */
  readonly next: string | undefined
}

/** distribution-spec, Listing referrers: a list larger than a manifest may be goes in several. */
const MAX_PAGE_BYTES = MAX_MANIFEST_BYTES - 1024

/** Lists of what is there: repositories, tags, referrers. */
export class Discovery {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  repositories(limit: number, after?: string): Promise<ListPage<string>> {
    return this.#page(REPOSITORIES, [], limit, after, ([name]) => name)
  }

  /** Throws `NAME_UNKNOWN`. */
  async tags(repository: Repository, limit: number, after?: string): Promise<ListPage<string>> {
    if (!(await this.#parts.index.get(REPOSITORIES, repository))) {
      throw new RegistryError('NAME_UNKNOWN', { detail: { name: repository } })
    }
    return this.#page(TAGS, [repository], limit, after, ([, tag]) => tag)
  }

  /** By digest; an unknown subject has none. */
  referrers(
    repository: Repository,
    subject: Digest,
    limit: number,
    { artifactType, after }: { artifactType?: string | undefined; after?: string | undefined },
  ): Promise<ListPage<Descriptor>> {
    return artifactType === undefined
      ? this.#page(REFERRERS, [repository, subject], limit, after, (_, row) => row)
      : this.#page(REFERRERS_BY_TYPE, [repository, subject, artifactType], limit, after, (_, row) => row)
  }

  async #page<Key extends readonly string[], Row, Item>(
    table: Table<Key, Row>,
    parts: readonly string[],
    limit: number,
    after: string | undefined,
    item: (key: Key, row: Row) => Item,
  ): Promise<ListPage<Item>> {
    return pageOf(this.#parts.index.scan(table, parts, { after }), limit, item)
  }
}

/** The page that these entries begin with. */
export async function pageOf<Key extends readonly string[], Row, Item>(
  entries: AsyncIterable<Entry<Key, Row>> | Iterable<Entry<Key, Row>>,
  limit: number,
  item: (key: Key, row: Row) => Item,
): Promise<ListPage<Item>> {
  if (limit === 0) return { items: [], next: undefined }
  const items: Item[] = []
  let bytes = 0
  let last: string | undefined
  for await (const { key, row } of entries) {
    bytes += Buffer.byteLength(JSON.stringify(row)) + 1
    // One more than shown tells that there is a next page; one alone goes whatever its size.
    if (items.length === limit || (bytes > MAX_PAGE_BYTES && items.length > 0)) return { items, next: last }
    items.push(item(key, row))
    last = key.at(-1)
  }
  return { items, next: undefined }
}

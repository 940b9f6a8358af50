import type { Entry, Table } from '../index/contract.ts'
import { REFERRERS, REFERRERS_BY_TYPE, REPOSITORIES, TAGS } from '../index/tables.ts'
import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Descriptor } from '../oci/manifest.ts'
import type { Repository } from '../oci/name.ts'
import type { Parts } from './parts.ts'

/** Part of a list. */
export interface ListPage<T> {
  readonly items: readonly T[]
  /** What the next page begins behind; undefined on the last one. */
  readonly next: string | undefined
}

/**
 * Bytes of a page of referrers, unless one entry has more. A list goes in several pages by Link (distribution-spec,
 * Listing Referrers), so that no response takes the event loop for long, or much memory while its client is slow.
 */
const MAX_PAGE_BYTES = 256 * 1024

/** Lists of what is there: repositories, tags, referrers. */
export class Discovery {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  repositories(limit: number, after?: string): Promise<ListPage<string>> {
    return this.#names(REPOSITORIES, [], limit, after)
  }

  /** Throws `NAME_UNKNOWN`. */
  async tags(repository: Repository, limit: number, after?: string): Promise<ListPage<string>> {
    if (!(await this.#parts.index.get(REPOSITORIES, repository))) {
      throw new RegistryError('NAME_UNKNOWN', { detail: { name: repository } })
    }
    return this.#names(TAGS, [repository], limit, after)
  }

  /** By digest; an unknown subject has none. */
  referrers(
    repository: Repository,
    subject: Digest,
    limit: number,
    { artifactType, after }: { artifactType?: string | undefined; after?: string | undefined },
  ): Promise<ListPage<Descriptor>> {
    const { index } = this.#parts
    return pageOf<Descriptor>(
      artifactType === undefined
        ? index.scan(REFERRERS, [repository, subject], { after })
        : index.scan(REFERRERS_BY_TYPE, [repository, subject, artifactType], { after }),
      limit,
    )
  }

  /** What the keys end in: so little that it is read at once. */
  async #names<Key extends readonly string[]>(
    table: Table<Key, unknown>,
    parts: readonly string[],
    limit: number,
    after: string | undefined,
  ): Promise<ListPage<string>> {
    if (limit === 0) return { items: [], next: undefined }
    // One more than shown tells that there is a next page.
    const entries = await this.#parts.index.page(table, parts, { after, limit: limit + 1 })
    const items = entries.slice(0, limit).map(({ key }) => key.at(-1) as string)
    return { items, next: entries.length > limit ? items.at(-1) : undefined }
  }
}

/** The page that these entries begin with. */
export async function pageOf<Row>(
  entries: AsyncIterable<Entry<readonly string[], Row>> | Iterable<Entry<readonly string[], Row>>,
  limit: number,
): Promise<ListPage<Row>> {
  if (limit === 0) return { items: [], next: undefined }
  const items: Row[] = []
  let bytes = 0
  let last: string | undefined
  for await (const { key, row } of entries) {
    bytes += Buffer.byteLength(JSON.stringify(row)) + 1
    // One more than shown tells that there is a next page; one alone goes whatever its size.
    if (items.length === limit || (bytes > MAX_PAGE_BYTES && items.length > 0)) return { items, next: last }
    items.push(row)
    last = key.at(-1)
  }
  return { items, next: undefined }
}

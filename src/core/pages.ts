import type { Entry, Index, Table } from '../index/contract.ts'

/** How many rows are looked at in one step. */
const STEP = 256

/** All rows in pages that are of one repository each; nothing is held open between two of them. */
export async function* pagesByRepository<Row>(
  index: Index,
  table: Table<[repository: string, digest: string], Row>,
): AsyncGenerator<[repository: string, page: Entry<[repository: string, digest: string], Row>[]]> {
  let [first] = await index.page(table, [], { limit: 1 })
  while (first) {
    const [repository] = first.key
    for await (const page of pages(index, table, [repository])) yield [repository, page]
    first = (await index.page(table, [], { after: repository, limit: 1 }))[0]
  }
}

/** The rows under these parts in pages; nothing is held open between two of them. */
export async function* pages<Key extends readonly string[], Row>(
  index: Index,
  table: Table<Key, Row>,
  parts: readonly string[],
): AsyncGenerator<Entry<Key, Row>[]> {
  let after: string | undefined
  do {
    const page = await index.page(table, parts, { after, limit: STEP })
    if (page.length > 0) yield page
    after = page.length < STEP ? undefined : page.at(-1)?.key[parts.length]
  } while (after !== undefined)
}

import type { Table } from '../../index/contract.ts'
import { CLAIMS, HOLDERS, MANIFESTS, REPOSITORIES } from '../../index/tables.ts'
import { type Digest, isDigest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import { pages } from '../pages.ts'
import type { GarbageParts } from './garbage-rules.ts'

/**
 * The blob or manifest whose digest begins so. Undefined if there is none; throws `BAD_REQUEST` if there are several.
 * A whole digest is returned without a look at what is here.
 */
export async function findDigest(parts: GarbageParts, beginning: string): Promise<Digest | undefined> {
  if (isDigest(beginning)) return beginning
  let found: string | undefined
  for await (const digest of digestsFrom(parts, beginning)) {
    if (found !== undefined && digest !== found) {
      throw new RegistryError('BAD_REQUEST', {
        message: `several digests begin with ${beginning}; use more digits`,
      })
    }
    found = digest
  }
  return found as Digest | undefined
}

/** Enough of the digests that begin so to see whether there is one or more. */
async function* digestsFrom({ index, store }: GarbageParts, partial: string): AsyncGenerator<string> {
  for (const table of [HOLDERS, CLAIMS] as readonly Table<readonly string[], unknown>[]) {
    const [first] = await index.page(table, [], { partial, limit: 1 })
    if (!first) continue
    yield first.key[0] ?? ''
    const [next] = await index.page(table, [], { partial, after: first.key[0], limit: 1 })
    if (next) yield next.key[0] ?? ''
  }
  for await (const page of pages(index, REPOSITORIES, []))
    for (const { key } of page)
      for (const manifest of await index.page(MANIFESTS, key, { partial, limit: 2 })) yield manifest.key[1]
  // The order of digests is that of their text, so the list can begin at a part of one as well.
  for await (const { digest } of store.list(partial as Digest)) {
    if (!digest.startsWith(partial)) return
    yield digest
  }
}

import type { Batch } from '../index/batch.ts'
import type { Entry, Reader } from '../index/contract.ts'
import { bytewise, descendingI32, descendingNanos } from '../index/keys.ts'
import { FILES, type FileRow, NAMES, VARIANTS, VARIANTS_BY_DIGEST, type VariantRow } from '../index/tables.ts'
import { UPSTREAM_NAMES, UPSTREAM_VARIANTS } from '../index/upstream-tables.ts'
import type { FileType } from '../plugin/descriptor.ts'

/** The filters of GET /plugins/{name}; what is absent filters nothing. */
export interface VariantFilter {
  /** The exact version, or how the digest begins. */
  readonly version?: string
  readonly abi?: number
  readonly fileType?: FileType
  readonly architecture?: string
  /** How the digest begins, whatever the version says. */
  readonly digest?: string
}

/** The place of a variant in the answer: ABI and age descending, then digest and place in the file. */
type Place = readonly [abi: string, created: string, digest: string, nth: string]

type Found = { readonly place: Place; readonly row: VariantRow }

type Source = AsyncIterable<Found>

/**
 * Digests that begin with fewer digits than this are looked for in answer order: at most 16² variants are passed
 * over for each one found. Longer beginnings are rare enough to be read all and then ordered.
 */
const SELECTIVE_DIGITS = 3

/**
 * Variants of a plugin in answer order. Rows that are skipped are read in small steps and not kept, so `skip` costs at
 * most as much as there is, and other requests go on meanwhile. `mirrors` adds what is on the lists of these.
 */
export async function findVariants(
  reader: Reader,
  name: string,
  filter: VariantFilter,
  skip: number,
  limit: number,
  mirrors: readonly string[] = [],
): Promise<VariantRow[]> {
  const rows: VariantRow[] = []
  if (limit === 0) return rows
  const sources = [
    ...(await sourcesHere(reader, name, filter)),
    ...mirrors.map(mirror => matching(upstream(reader, mirror, name, filter), filter)),
  ]
  let passed = 0
  for await (const { row } of sources.length === 1 ? (sources[0] as Source) : merged(sources)) {
    if (passed++ < skip) continue
    if (rows.push(row) === limit) break
  }
  return rows
}

/** Where variants are read from, each source in answer order. */
async function sourcesHere(reader: Reader, name: string, filter: VariantFilter): Promise<Source[]> {
  const { version, digest } = filter
  const versionAsDigest = version && /^[0-9a-f]{1,64}$/.test(version) ? version : undefined
  if (digest !== undefined && digest.length >= SELECTIVE_DIGITS) {
    return [await ordered(byDigest(reader, name, digest), filter)]
  }
  if (versionAsDigest === undefined && digest === undefined) {
    return [matching(inOrder(reader, name, filter, version), filter)]
  }
  if (versionAsDigest !== undefined && versionAsDigest.length >= SELECTIVE_DIGITS) {
    return [
      matching(inOrder(reader, name, filter, version), filter),
      await ordered(byDigest(reader, name, versionAsDigest), filter),
    ]
  }
  return [matching(inOrder(reader, name, filter, versionAsDigest ? undefined : version), filter)]
}

/** A name and what its plugin is for. */
export interface Named {
  readonly name: string
  readonly description: string
}

/** Names and descriptions, bytewise by name; also those that are on the lists of mirrors, and mirrored. */
export async function listNames(
  reader: Reader,
  mirrors: readonly { name: string; mirrored: (name: string) => boolean }[] = [],
): Promise<Named[]> {
  let all = (await reader.page(NAMES, [])).map(({ row: { name, description } }) => ({ name, description }))
  for (const { name: mirror, mirrored } of mirrors) {
    const listed = (await reader.page(UPSTREAM_NAMES, [mirror])).map(({ row }) => row)
    all = union(
      all,
      listed.filter(({ name }) => mirrored(name)),
    )
  }
  return all
}

/** Both lists, which are in the order of their names, as one. Of equal names that of the first list stays. */
function union(first: readonly Named[], second: readonly Named[]): Named[] {
  const all: Named[] = []
  let at = 0
  for (const one of first) {
    let order = 1
    for (let other = second[at]; other; other = second[++at]) {
      order = bytewise(other.name, one.name)
      if (order >= 0) break
      all.push(other)
    }
    if (order === 0) at++
    all.push(one)
  }
  for (const other of second.slice(at)) all.push(other)
  return all
}

export async function addVariants(batch: Batch, file: FileRow, created: bigint): Promise<void> {
  for (const { byDigest, inOrder, row } of entriesOf(file, created)) {
    batch.put(VARIANTS_BY_DIGEST, byDigest, row)
    for (const key of inOrder) batch.put(VARIANTS, key, row)
  }
  await rename(batch, file)
}

export async function removeVariants(batch: Batch, file: FileRow, created: bigint): Promise<void> {
  for (const { byDigest, inOrder } of entriesOf(file, created)) {
    batch.del(VARIANTS_BY_DIGEST, byDigest)
    for (const key of inOrder) batch.del(VARIANTS, key)
  }
  await rename(batch, file)
}

/** Every combination of the filters that are not already the order of the key: ABI is its first part. */
function facetsOf({ descriptor }: VariantRow): string[] {
  const choices = [descriptor.file_type, descriptor.architecture, descriptor.version]
  return [0, 1, 2, 3, 4, 5, 6, 7].map(bits =>
    facet(...choices.map((c, i) => (bits & (1 << i) ? c : undefined))),
  )
}

function facet(...choices: unknown[]): string {
  return JSON.stringify(choices.map(choice => choice ?? null))
}

/** The keys and the row of every variant in the file. */
function entriesOf(file: FileRow, created: bigint) {
  const { digest, signature, created_at } = file
  return file.descriptors.map((descriptor, position) => {
    const row: VariantRow = { digest, signature, created_at, descriptor }
    const abi = descendingI32(descriptor.plugin_version)
    const time = descendingNanos(created)
    const nth = position.toString(16).padStart(4, '0')
    return {
      row,
      byDigest: [descriptor.name, digest, abi, time, nth] as const,
      inOrder: facetsOf(row).map(choice => [descriptor.name, choice, abi, time, digest, nth] as const),
    }
  })
}

/** Brings GET /plugins up to date for the names in the file: the description is the newest variant's. */
async function rename(batch: Batch, file: FileRow): Promise<void> {
  for (const name of new Set(file.descriptors.map(descriptor => descriptor.name))) {
    const [newest] = await batch.page(VARIANTS, [name, facet(undefined, undefined, undefined)], { limit: 1 })
    if (newest) batch.put(NAMES, [name], { name, description: newest.row.descriptor.description })
    else batch.del(NAMES, [name])
  }
}

async function* inOrder(reader: Reader, name: string, filter: VariantFilter, version?: string) {
  const parts = [name, facet(filter.fileType, filter.architecture, version || undefined)]
  if (filter.abi !== undefined) parts.push(descendingI32(filter.abi))
  for await (const { key, row } of reader.scan(VARIANTS, parts)) {
    const [, , abi, created, digest, nth] = key
    yield { place: [abi, created, digest, nth] as const, row }
  }
}

/** What a mirror lists and is not here: what is here speaks for itself. */
async function* upstream(reader: Reader, mirror: string, name: string, filter: VariantFilter) {
  const parts = [mirror, name]
  if (filter.abi !== undefined) parts.push(descendingI32(filter.abi))
  for await (const { key, row } of reader.scan(UPSTREAM_VARIANTS, parts)) {
    const [, , ...place] = key
    if (matches(row, filter) && !(await reader.get(FILES, row.digest))) yield { place, row }
  }
}

async function* byDigest(reader: Reader, name: string, partial: string) {
  const entries: AsyncIterable<Entry<readonly string[], VariantRow>> = reader.scan(
    VARIANTS_BY_DIGEST,
    [name],
    {
      partial,
    },
  )
  for await (const { key, row } of entries) {
    const [, digest = '', abi = '', created = '', nth = ''] = key
    yield { place: [abi, created, digest, nth] as const, row }
  }
}

function matches(row: VariantRow, filter: VariantFilter): boolean {
  const { descriptor, digest } = row
  return (
    (!filter.version || filter.version === descriptor.version || digest.startsWith(filter.version)) &&
    (filter.abi === undefined || filter.abi === descriptor.plugin_version) &&
    (filter.fileType === undefined || filter.fileType === descriptor.file_type) &&
    (filter.architecture === undefined || filter.architecture === descriptor.architecture) &&
    (filter.digest === undefined || digest.startsWith(filter.digest))
  )
}

async function* matching(from: Source, filter: VariantFilter): Source {
  for await (const one of from) if (matches(one.row, filter)) yield one
}

/** In answer order. All of it is read first. */
async function ordered(from: Source, filter: VariantFilter): Promise<Source> {
  const found: [place: string, one: Found][] = []
  for await (const one of matching(from, filter)) found.push([one.place.join(), one])
  found.sort(([a], [b]) => (a < b ? -1 : 1))
  return (async function* () {
    for (const [, one] of found) yield one
  })()
}

/** The sources as one, each variant once, at its first place. */
async function* merged(sources: readonly Source[]): Source {
  const seen = new Set<string>()
  const readers = sources.map(source => source[Symbol.asyncIterator]())
  try {
    const heads = await Promise.all(readers.map(headOf))
    while (true) {
      let first: number | undefined
      for (const [i, head] of heads.entries())
        if (head && (first === undefined || head.place < (heads[first]?.place ?? ''))) first = i
      const head = first === undefined ? undefined : heads[first]
      if (first === undefined || !head) return
      heads[first] = await headOf(readers[first] as AsyncIterator<Found>)
      const variant = head.one.place.slice(2).join()
      if (seen.has(variant)) continue
      seen.add(variant)
      yield head.one
    }
  } finally {
    for (const reader of readers) await reader.return?.()
  }
}

async function headOf(reader: AsyncIterator<Found>): Promise<{ place: string; one: Found } | undefined> {
  const { done, value } = await reader.next()
  return done ? undefined : { place: value.place.join(), one: value }
}

import type { Batch } from '../index/batch.ts'
import type { Reader } from '../index/contract.ts'
import { bytewise, encodeKey } from '../index/keys.ts'
import { BINARIES, CLAIMED, CLAIMS, type ClaimRow, FACTS, FILES, MANIFESTS } from '../index/tables.ts'
import { naiveDateTime } from '../lib/clock.ts'
import { type Digest, hexOf } from '../oci/digest.ts'
import type { Descriptor } from '../oci/manifest.ts'
import type { Repository } from '../oci/name.ts'
import { addBuild, removeBuilds } from './composed-tags.ts'
import { addVariants, removeVariants } from './variants.ts'

/**
 * A claim says that a manifest brings a plugin binary. Several may bring the same one;
 * the one that was first listed speaks for it on the REST API, the next takes over when it goes.
 */
export interface Claim {
  readonly binary: Digest
  readonly repository: Repository
  readonly manifest: Descriptor & { readonly digest: Digest }
  readonly row: ClaimRow
}

export async function addClaim(batch: Batch, claim: Claim): Promise<void> {
  const { binary, repository, manifest, row } = claim
  const before = row.listed ? await speaker(batch, binary) : undefined
  batch.put(CLAIMS, [binary, repository, manifest.digest], row)
  batch.put(CLAIMED, [repository, manifest.digest, binary], true)
  batch.put(BINARIES, [repository, binary, manifest.digest], true)
  if (!row.listed) return
  if (!before || isBefore(claim, before)) await relist(batch, binary, before?.row, row)
  await addBuild(batch, { repository, manifest, claim: row })
}

/** Removes claims together: what follows from them is looked at once for each binary and repository. */
export async function removeClaims(batch: Batch, claims: readonly Claim[]): Promise<void> {
  for (const [binary, ofBinary] of groupBy(claims, ({ binary }) => binary)) {
    const before = await speaker(batch, binary)
    for (const { repository, manifest } of ofBinary) {
      batch.del(CLAIMS, [binary, repository, manifest.digest])
      batch.del(CLAIMED, [repository, manifest.digest, binary])
      batch.del(BINARIES, [repository, binary, manifest.digest])
    }
    const spoke = ofBinary.some(claim => before && isSame(claim, before))
    if (spoke) await relist(batch, binary, before?.row, (await speaker(batch, binary))?.row)
    const [other] = await batch.page(CLAIMS, [binary], { limit: 1 })
    if (!other) batch.del(FACTS, [binary])
  }
  const builds = claims
    .filter(({ row }) => row.listed)
    .map(({ repository, manifest, row }) => ({ repository, manifest, claim: row }))
  for (const [repository, there] of groupBy(builds, build => build.repository))
    await removeBuilds(batch, repository, there)
}

/** The claims that a manifest makes. */
export async function claimsOf(
  reader: Reader,
  repository: Repository,
  manifest: Descriptor & { readonly digest: Digest },
): Promise<Claim[]> {
  const binaries = (await reader.page(CLAIMED, [repository, manifest.digest])).map(
    ({ key }) => key[2] as Digest,
  )
  const keys = binaries.map(binary => [binary, repository, manifest.digest] as const)
  const rows = await reader.getMany(CLAIMS, keys)
  return binaries.flatMap((binary, i) => {
    const row = rows[i]
    return row ? [{ binary, repository, manifest, row }] : []
  })
}

/** The claims on a binary. */
export async function claimsOn(reader: Reader, binary: Digest): Promise<Claim[]> {
  const entries = await reader.page(CLAIMS, [binary])
  const keys = entries.map(({ key: [, repository, digest] }) => [repository, digest] as const)
  const manifests = await reader.getMany(MANIFESTS, keys)
  return entries.flatMap(({ key: [, repository, digest], row }, i) => {
    const manifest = manifests[i]
    if (!manifest) return []
    const { mediaType, size } = manifest
    const descriptor = { mediaType, digest: digest as Digest, size }
    return [{ binary, repository: repository as Repository, manifest: descriptor, row }]
  })
}

/** Lets another claim of the binary speak for it in the REST listing; none if `after` is undefined. */
async function relist(
  batch: Batch,
  binary: Digest,
  before: ClaimRow | undefined,
  after: ClaimRow | undefined,
): Promise<void> {
  if (before) {
    batch.del(FILES, [hexOf(binary)])
    await removeVariants(batch, fileOf(binary, before), BigInt(before.created))
  }
  if (after) {
    const file = fileOf(binary, after)
    batch.put(FILES, [file.digest], { ...file, size: after.size })
    await addVariants(batch, file, BigInt(after.created))
  }
}

/** Which claim it is, and when it was pushed. */
type Ranked = Pick<Claim, 'repository' | 'row'> & { readonly manifest: { readonly digest: Digest } }

/** The claim that was listed first. */
async function speaker(reader: Reader, binary: Digest): Promise<Ranked | undefined> {
  let first: Ranked | undefined
  for (const { key, row } of await reader.page(CLAIMS, [binary])) {
    const claim = { repository: key[1] as Repository, manifest: { digest: key[2] as Digest }, row }
    if (row.listed && (!first || isBefore(claim, first))) first = claim
  }
  return first
}

/** By the time of the push; keys break ties, so that a rebuilt index is the same. */
function isBefore(one: Ranked, other: Ranked): boolean {
  const [a, b] = [BigInt(one.row.pushed), BigInt(other.row.pushed)]
  return a === b ? bytewise(rankOf(one), rankOf(other)) < 0 : a < b
}

function isSame(one: Ranked, other: Ranked): boolean {
  return rankOf(one) === rankOf(other)
}

function rankOf({ repository, manifest }: Ranked): string {
  return encodeKey(repository, [manifest.digest])
}

function groupBy<Item, Key>(items: readonly Item[], keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group) group.push(item)
    else groups.set(keyOf(item), [item])
  }
  return groups
}

function fileOf(binary: Digest, { signature, created, descriptors }: ClaimRow) {
  return { digest: hexOf(binary), signature, created_at: naiveDateTime(BigInt(created)), descriptors }
}

import type { Batch } from '../index/batch.ts'
import type { Reader } from '../index/contract.ts'
import { BINARIES, CLAIMED, CLAIMS, type ClaimRow, FACTS, FILES } from '../index/tables.ts'
import { naiveDateTime } from '../lib/clock.ts'
import { type Digest, hexOf } from '../oci/digest.ts'
import type { Descriptor } from '../oci/manifest.ts'
import type { Repository } from '../oci/name.ts'
import { addBuild, removeBuild } from './composed-tags.ts'
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
  await relist(batch, binary, () => {
    batch.put(CLAIMS, [binary, repository, manifest.digest], row)
    batch.put(CLAIMED, [repository, manifest.digest, binary], true)
    batch.put(BINARIES, [repository, binary, manifest.digest], true)
  })
  if (row.listed) await addBuild(batch, { repository, manifest, claim: row })
}

export async function removeClaim(batch: Batch, claim: Claim): Promise<void> {
  const { binary, repository, manifest, row } = claim
  await relist(batch, binary, () => {
    batch.del(CLAIMS, [binary, repository, manifest.digest])
    batch.del(CLAIMED, [repository, manifest.digest, binary])
    batch.del(BINARIES, [repository, binary, manifest.digest])
  })
  if (row.listed) await removeBuild(batch, { repository, manifest, claim: row })
  const [other] = await batch.page(CLAIMS, [binary], { limit: 1 })
  if (!other) batch.del(FACTS, [binary])
}

/** The claims that a manifest makes. */
export async function claimsOf(
  reader: Reader,
  repository: Repository,
  manifest: Descriptor & { readonly digest: Digest },
): Promise<Claim[]> {
  const claims: Claim[] = []
  for (const { key } of await reader.page(CLAIMED, [repository, manifest.digest])) {
    const binary = key[2] as Digest
    const row = await reader.get(CLAIMS, binary, repository, manifest.digest)
    if (row) claims.push({ binary, repository, manifest, row })
  }
  return claims
}

/** Changes claims of the binary and brings the REST listing after them. */
async function relist(batch: Batch, binary: Digest, change: () => void): Promise<void> {
  const before = await speaker(batch, binary)
  change()
  const after = await speaker(batch, binary)
  if (JSON.stringify(before) === JSON.stringify(after)) return
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

/** The claim that was listed first; keys break ties, so that a rebuilt index is the same. */
async function speaker(reader: Reader, binary: Digest): Promise<ClaimRow | undefined> {
  const claims = await reader.page(CLAIMS, [binary])
  const listed = claims.filter(({ row }) => row.listed).map(({ row }) => row)
  return listed.reduce<ClaimRow | undefined>(
    (first, row) => (first && BigInt(first.pushed) <= BigInt(row.pushed) ? first : row),
    undefined,
  )
}

function fileOf(binary: Digest, { signature, created, descriptors }: ClaimRow) {
  return { digest: hexOf(binary), signature, created_at: naiveDateTime(BigInt(created)), descriptors }
}

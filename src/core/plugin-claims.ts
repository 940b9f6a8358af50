import type { Batch } from '../index/batch.ts'
import { type ClaimRow, MIRRORED, REFERRERS_BY_TYPE } from '../index/tables.ts'
import { parseRfc3339 } from '../lib/clock.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Repository } from '../oci/name.ts'
import { createdOf, SIGNATURE_ANNOTATION, SIGNATURE_TYPE } from '../oci/plugin-artifact.ts'
import { keepBlob } from './blobs.ts'
import { addClaim, claimsOf, removeClaims } from './claims.ts'
import { keepFacts } from './facts.ts'
import type { Pushed } from './manifest-rows.ts'
import type { Parts } from './parts.ts'
import type { FoundPlugin } from './recognition.ts'
import { judge, type Standing, type Unfit } from './signatures.ts'

/**
 * Brings the claims of a manifest in line with the plugins found in it and the signatures that are there now.
 * `pushed` is when the manifest came, in nanoseconds. Throws `SIGNATURE_INVALID`, see `judge`.
 */
export async function claimPlugins(
  batch: Batch,
  parts: Parts,
  repository: Repository,
  { digest, bytes, manifest }: Pushed,
  found: readonly FoundPlugin[],
  pushed: bigint,
  unfit: Unfit = 'refuse',
): Promise<void> {
  const at = { repository, manifest: { mediaType: manifest.mediaType, digest, size: bytes.length } }
  const before = new Map((await claimsOf(batch, repository, at.manifest)).map(claim => [claim.binary, claim]))
  const written = parseRfc3339(createdOf(manifest) ?? '') ?? pushed
  // A clock that is ahead must not make its plugin the newest until that time has come.
  const created = written < pushed ? written : pushed
  const mirrored = (await batch.get(MIRRORED, repository)) !== undefined
  for (const plugin of found) {
    const standing = await standingOf(batch, parts, repository, digest, plugin, unfit)
    const row: ClaimRow = {
      size: plugin.size,
      ...standing,
      // Nobody here has vouched for an upstream's plugin: only a key can.
      listed: standing.listed && (!mirrored || standing.key !== undefined),
      created: created.toString(),
      pushed: pushed.toString(),
      descriptors: plugin.descriptors,
    }
    const old = before.get(plugin.binary)
    if (JSON.stringify(old?.row) === JSON.stringify(row)) continue
    if (old) await removeClaims(batch, [old])
    // Its bytes were stored before, see `Examinations`.
    if (plugin.archive) keepBlob(batch, repository, plugin.binary, plugin.size)
    await addClaim(batch, { binary: plugin.binary, row, ...at })
  }
  for (const { binary, facts } of found) keepFacts(batch, binary, facts)
}

/** Refuses a signature that fits none of the plugins that it was sent for. Throws `SIGNATURE_INVALID`. */
export function checkSignature(parts: Parts, found: readonly FoundPlugin[], signature: string): void {
  if (found.length === 0 || found.some(({ binary }) => parts.verifier.verify(binary, signature))) return
  throw new RegistryError('SIGNATURE_INVALID', { detail: { binaries: found.map(({ binary }) => binary) } })
}

/** By the signature in the manifest, else by one of its referrers that verifies. */
async function standingOf(
  batch: Batch,
  parts: Parts,
  repository: Repository,
  manifest: string,
  { binary, signature }: FoundPlugin,
  unfit: Unfit,
): Promise<Standing> {
  if (signature === undefined || (unfit === 'keep' && !parts.verifier.verify(binary, signature))) {
    for (const { row } of await batch.page(REFERRERS_BY_TYPE, [repository, manifest, SIGNATURE_TYPE])) {
      const later = row.annotations?.[SIGNATURE_ANNOTATION]
      if (later !== undefined && parts.verifier.verify(binary, later)) return judge(parts, binary, later)
    }
  }
  return judge(parts, binary, signature, unfit)
}

import { Batch } from '../index/batch.ts'
import type { Reader } from '../index/contract.ts'
import { CLAIMS, FACTS, type FactsRow } from '../index/tables.ts'
import { isDigest } from '../oci/digest.ts'
import type { Repository } from '../oci/name.ts'
import { claimsOf } from './claims.ts'
import type { Pushed } from './manifest-rows.ts'
import type { Parts } from './parts.ts'
import { claimPlugins } from './plugin-claims.ts'
import type { FoundPlugin } from './recognition.ts'

/**
 * The plugins of a manifest whose layers are not all here to be looked at, as another index has them: a blob that is
 * pushed again is served again, and nobody pushes its manifest for that. `time` is when that came, in nanoseconds.
 */
export async function keepAbsentPlugins(
  before: Reader,
  parts: Parts,
  repository: Repository,
  pushed: Pushed,
  time: bigint,
): Promise<void> {
  const { digest, bytes, manifest } = pushed
  const layers = manifest.kind === 'image' ? manifest.layers.map(layer => layer.digest) : []
  const blobs = await Promise.all(layers.filter(isDigest).map(layer => parts.store.stat(layer)))
  if (blobs.every(blob => blob !== undefined)) return
  const at = { mediaType: manifest.mediaType, digest, size: bytes.length }
  const found: FoundPlugin[] = []
  const facts: [binary: string, row: FactsRow][] = []
  for (const { binary, row } of await claimsOf(before, repository, at)) {
    const known = await before.get(FACTS, binary)
    if (!known || (await parts.index.get(CLAIMS, binary, repository, digest))) continue
    const { size, descriptors, signature } = row
    found.push({
      binary,
      size,
      descriptors,
      signature: signature || undefined,
      facts: known.facts,
      archive: undefined,
    })
    facts.push([binary, known])
  }
  const batch = new Batch(parts.index)
  await claimPlugins(batch, parts, repository, pushed, found, time, 'keep')
  for (const [binary, row] of facts) batch.put(FACTS, [binary], row)
  await batch.apply()
}

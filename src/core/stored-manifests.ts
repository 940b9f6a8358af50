import type { Reader } from '../index/contract.ts'
import { COMPOSED, MANIFEST_BYTES, MANIFESTS, type ManifestRow } from '../index/tables.ts'
import { algorithmOf, type Digest, digestOf } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import { parseLenientManifest } from '../oci/lenient-manifest.ts'
import type { Repository } from '../oci/name.ts'
import { manifestRow, type Pushed } from './manifest-rows.ts'

/** A manifest that is stored. */
export interface Stored {
  readonly repository: Repository
  readonly digest: Digest
  readonly row: ManifestRow
  readonly composed: boolean
}

/** All manifests whose bytes are what their digests tell, oldest first; `onUnsound` hears of the others, and why. */
export async function storedManifests(
  truth: Reader,
  now: bigint,
  onUnsound: (repository: string, digest: string, why: string) => void,
): Promise<Stored[]> {
  const stored: Stored[] = []
  const add = async (repository: string, digest: string, row: ManifestRow) => {
    const composed = (await truth.get(COMPOSED, repository, digest)) !== undefined
    stored.push({ repository: repository as Repository, digest: digest as Digest, row, composed })
  }
  for await (const { key, row } of truth.scan(MANIFESTS, [])) {
    const pushed = await readManifest(truth, ...key, row.mediaType)
    if (typeof pushed === 'string') onUnsound(...key, pushed)
    else await add(...key, row)
  }
  for await (const key of keysOfBytes(truth)) {
    if (await truth.get(MANIFESTS, ...key)) continue
    // Bytes that have lost their row tell all of it but the time.
    const pushed = await readManifest(truth, ...key)
    if (typeof pushed === 'string') onUnsound(...key, pushed)
    else await add(...key, manifestRow(pushed.manifest, pushed.bytes.length, now))
  }
  return stored.sort((a, b) => (BigInt(a.row.pushed) < BigInt(b.row.pushed) ? -1 : 1))
}

/** The manifest, or what is wrong with it. */
export async function readManifest(
  truth: Reader,
  repository: string,
  digest: string,
  mediaType?: string,
): Promise<Pushed | string> {
  const bytes = await truth.get(MANIFEST_BYTES, repository, digest)
  if (!bytes) return 'its bytes are gone'
  if (digestOf(bytes, algorithmOf(digest as Digest)) !== digest)
    return 'its bytes are not what its digest tells'
  try {
    return { digest: digest as Digest, bytes, manifest: parseLenientManifest(bytes, mediaType) }
  } catch (error) {
    if (error instanceof RegistryError) return `it is no manifest: ${error.message}`
    throw error
  }
}

/** One by one: rows of 4 MiB are not read ahead. */
async function* keysOfBytes(truth: Reader): AsyncIterable<[repository: string, digest: string]> {
  let [entry] = await truth.page(MANIFEST_BYTES, [], { limit: 1 })
  while (entry) {
    const [repository, after] = entry.key
    yield [repository, after]
    const [sibling] = await truth.page(MANIFEST_BYTES, [repository], { after, limit: 1 })
    entry = sibling ?? (await truth.page(MANIFEST_BYTES, [], { after: repository, limit: 1 }))[0]
  }
}

import { type Digest, digestOf } from '../../src/oci/digest.ts'
import type { Descriptor } from '../../src/oci/manifest.ts'
import { OCI_MANIFEST, OCTET_STREAM } from '../../src/oci/media-types.ts'
import type { Client } from './client.ts'

const CONFIG = Buffer.from('{}')

/** As most clients do: a session, and all bytes with what ends it. */
export async function pushBlob(
  client: Client,
  repository: string,
  parts: readonly Buffer[],
  digest: Digest,
): Promise<void> {
  const { headers } = await client.expect(202, 'POST', `/v2/${repository}/blobs/uploads/`)
  const location = (headers.location ?? '').replace(/\?.*$/, '')
  const path = `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`
  await client.expect(201, 'PUT', path, { 'content-type': OCTET_STREAM }, parts)
}

/** A whole blob, and what points at it. */
export async function pushContent(
  client: Client,
  repository: string,
  bytes: Buffer,
): Promise<Descriptor & { digest: Digest }> {
  const digest = digestOf(bytes)
  await pushBlob(client, repository, [bytes], digest)
  return { mediaType: OCTET_STREAM, digest, size: bytes.length }
}

/** The manifest's config has to be there. */
export async function pushManifest(
  client: Client,
  repository: string,
  reference: string,
  bytes: Buffer,
): Promise<void> {
  await client.expect(
    201,
    'PUT',
    `/v2/${repository}/manifests/${reference}`,
    { 'content-type': OCI_MANIFEST },
    [bytes],
  )
}

export function pushConfig(client: Client, repository: string): Promise<unknown> {
  return pushContent(client, repository, CONFIG)
}

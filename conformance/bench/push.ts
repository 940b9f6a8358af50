import { createHash, randomBytes } from 'node:crypto'
import { imageManifest } from '../../spec/support/oci.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import type { Descriptor } from '../../src/oci/manifest.ts'
import { OCI_MANIFEST, OCTET_STREAM } from '../../src/oci/media-types.ts'
import { Client, inParallel } from './client.ts'
import type { Peer } from './peers.ts'

const CONNECTIONS = 8
const BLOB_SIZE = 2 * 2 ** 20
const CONFIG = Buffer.from('{}')

/** As most clients do: a session, and all bytes with what ends it. */
export async function pushBlob(
  client: Client,
  repository: string,
  parts: readonly Buffer[],
  digest: Digest,
): Promise<void> {
  const { headers } = await client.expect(202, 'POST', `/v2/${repository}/blobs/uploads/`)
  const location = headers.location ?? ''
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

/** Pushes so many blobs, all different, over eight connections; answers the seconds. Hashes are taken before. */
export async function pushBlobs(peer: Peer, repository: string, count: number): Promise<number> {
  const [common, salt] = [randomBytes(BLOB_SIZE - 16), randomBytes(4).toString('hex')]
  const hashed = createHash('sha256').update(common)
  const blobs = Array.from({ length: count }, (_, n) => {
    const tail = Buffer.from(`${salt}${String(n).padStart(8, '0')}`)
    return { parts: [common, tail], digest: `sha256:${hashed.copy().update(tail).digest('hex')}` as Digest }
  })
  return await timed(peer, repository, blobs, (client, { parts, digest }) =>
    pushBlob(client, repository, parts, digest),
  )
}

/** Pushes so many manifests, all different, each under a new tag; answers the seconds. */
export async function pushManifests(peer: Peer, repository: string, count: number): Promise<number> {
  const salt = randomBytes(4).toString('hex')
  const manifests = Array.from({ length: count }, (_, n) => {
    const tag = `${salt}-${n}`
    return { tag, bytes: imageManifest([], { annotations: { 'org.example.push': tag } }) }
  })
  return await timed(peer, repository, manifests, (client, { tag, bytes }) =>
    pushManifest(client, repository, tag, bytes),
  )
}

async function timed<T>(
  { service, headers }: Peer,
  repository: string,
  contents: readonly T[],
  push: (client: Client, content: T) => Promise<void>,
): Promise<number> {
  const client = new Client(service.url, CONNECTIONS, headers)
  try {
    await pushConfig(client, repository)
    const began = performance.now()
    await inParallel(CONNECTIONS, contents, content => push(client, content))
    return (performance.now() - began) / 1000
  } finally {
    client.close()
  }
}

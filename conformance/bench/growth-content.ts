import { imageManifest } from '../../spec/support/oci.ts'
import { addVariants } from '../../src/core/variants.ts'
import { Batch } from '../../src/index/batch.ts'
import { IndexFolder } from '../../src/index/index-folder.ts'
import type { FileRow } from '../../src/index/tables.ts'
import { rfc3339 } from '../../src/lib/clock.ts'
import { type Digest, digestOf, hexOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST, OCTET_STREAM } from '../../src/oci/media-types.ts'
import type { PluginDescriptor } from '../../src/plugin/descriptor.ts'
import { FsBlobStore } from '../../src/store/fs-store.ts'
import { fixture } from '../support/fixtures.ts'
import { Client, inParallel } from './client.ts'
import type { Peer } from './peers.ts'
import { pushManifest } from './push.ts'
import { publish, SIGNATURE } from './rest-works.ts'

/** Where all the tags are. */
export const REPOSITORY = 'grow/tags'

/** How many manifests have the same subject. */
const REFERRERS = 20

/** Of plugins, at most. */
const NAMES = 1000

/** Plugins that are listed in one write. */
const STEP = 500

/** More than a disk needs to be busy: those that wait share a sync. */
const CONNECTIONS = 32

/** So many tags, each on a manifest of its own. */
export function pushTags(peer: Peer, count: number): Promise<void> {
  return filling(peer, 0, count, (client, n) => pushManifest(client, REPOSITORY, tagOf(n), manifestOf(n)))
}

/** Repositories of one tag. */
export function pushRepositories(peer: Peer, count: number): Promise<void> {
  return filling(peer, 0, count, (client, n) => pushManifest(client, repositoryOf(n), 'v1', manifestOf(0)))
}

/** Small blobs. */
export function pushBlobs(peer: Peer, count: number): Promise<void> {
  return filling(peer, 0, count, async (client, n) => {
    const path = `/v2/${REPOSITORY}/blobs/uploads/?digest=${blobDigest(n)}`
    await client.expect(201, 'POST', path, { 'content-type': OCTET_STREAM }, [blobOf(n)])
  })
}

/** Publishes so many plugins over the REST API; which ones begins with `from`. */
export function pushPlugins(peer: Peer, from: number, count: number): Promise<void> {
  return filling(peer, from, count, (client, n) => publish(client, pluginOf(n)))
}

/** Lists plugins without pushing them, which takes too long for so many; while nobody serves the storage. */
export async function listPlugins(storage: string, count: number): Promise<void> {
  await FsBlobStore.open(storage)
  const index = await new IndexFolder(storage).open(error => console.error(error))
  try {
    for (let step = 0; step < count; step += STEP) {
      const batch = new Batch(index)
      for (let n = step; n < Math.min(count, step + STEP); n++) {
        const created = BigInt(n)
        await addVariants(batch, listedOf(n), created)
      }
      await batch.apply()
    }
  } finally {
    await index.close()
  }
}

export function tagOf(n: number): string {
  return `t${String(n).padStart(6, '0')}`
}

export function repositoryOf(n: number): string {
  return `many/r${String(n).padStart(6, '0')}`
}

export function digestAt(n: number): Digest {
  return digestOf(manifestOf(n))
}

/** A digest that twenty manifests refer to, of which this is one; what it names is not here. */
export function subjectOf(n: number): Digest {
  return digestOf(`subject ${Math.floor(n / REFERRERS)}`)
}

export function nameOf(n: number): string {
  return `p${String(n % NAMES).padStart(7, '0')}`
}

export function blobDigest(n: number): Digest {
  return digestOf(blobOf(n))
}

function blobOf(n: number): Buffer {
  return Buffer.alloc(2048, `blob ${n} `)
}

function manifestOf(n: number): Buffer {
  const subject = { mediaType: OCI_MANIFEST, digest: subjectOf(n), size: 500 }
  return imageManifest([], { artifactType: 'application/x.bench', subject, annotations: { n: String(n) } })
}

const { bytes: PLUGIN, descriptor: DESCRIPTOR } = fixture('libmemflow_coredump-0.2.0.x86_64.so')
const NAME_AT = PLUGIN.lastIndexOf(DESCRIPTOR.name)
const VERSION_AT = PLUGIN.lastIndexOf(DESCRIPTOR.version)

/** A real plugin with another name and version. */
function pluginOf(n: number): Buffer {
  const file = Buffer.concat([PLUGIN, Buffer.from(String(n))])
  file.write(nameOf(n), NAME_AT)
  file.write(versionOf(n), VERSION_AT)
  return file
}

function listedOf(n: number): FileRow {
  const descriptor = { ...DESCRIPTOR, name: nameOf(n), version: versionOf(n) } as PluginDescriptor
  const digest = hexOf(digestOf(`plugin ${n}`))
  return { digest, signature: SIGNATURE, created_at: rfc3339(BigInt(n)), descriptors: [descriptor] }
}

/** Another for each of the name, as long as the one in the file. */
function versionOf(n: number): string {
  return String(Math.floor(n / NAMES) % 1000)
    .padStart(3, '0')
    .split('')
    .join('.')
}

async function filling(
  { service, headers }: Peer,
  from: number,
  count: number,
  push: (client: Client, n: number) => Promise<void>,
): Promise<void> {
  const client = new Client(service.url, CONNECTIONS, headers)
  try {
    const numbers = Array.from({ length: count }, (_, i) => from + i)
    await inParallel(CONNECTIONS, numbers, n => push(client, n))
  } finally {
    client.close()
  }
}

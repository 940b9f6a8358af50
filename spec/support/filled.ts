import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Repository, Tag } from '../../src/oci/name.ts'
import { EMPTY } from './oci.ts'
import { plugin } from './plugins.ts'
import { type CoreRegistry, once } from './registry.ts'
import type { Signer } from './signer.ts'

/** A bit of everything: uploads, pushes of every kind, signatures before and behind, tags, referrers, deletes. */
export async function fill(registry: CoreRegistry, signer: Signer): Promise<void> {
  for (const file of [
    'libmemflow_coredump-0.2.0.x86_64.so',
    'libmemflow_coredump-0.2.0.universal.dylib',
    'memflow_coredump-0.2.0.x86_64.dll',
    'libmemflow_pair-0.2.0.x86_64.so',
  ] as const) {
    const { bytes } = plugin(file)
    await registry.publish(bytes, signer.sign(bytes))
  }
  const newer = plugin('libmemflow_coredump-0.2.1.x86_64.so').bytes
  await registry.pushPlugin('coredump', 'latest', newer, { as: 'tar+gzip', signature: signer.sign(newer) })
  const native = plugin('libmemflow_native-0.2.0.x86_64.so').bytes
  const unsigned = await registry.pushPlugin('team/native', 'v1', native)
  await registry.pushSignature('team/native', unsigned, signer.sign(native))
  await registry.pushPlugin('team/unsigned', 'v1', plugin('libmemflow_coredump-0.2.1.arm64.so').bytes)
  const image = await registry.pushImage('app', 'v1', [await registry.pushBlob('app', 'a layer')])
  await registry.pushManifest('app', 'all', { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [image] })
  await registry.pushManifest('app', 'gone', { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] })
  const { digest } = await registry.manifests.get('app' as Repository, 'gone' as Tag)
  await registry.manifests.delete('app' as Repository, digest)
  await pushBySha512(registry, 'app/long')
}

/** An artifact that is named by sha512 throughout. */
async function pushBySha512(registry: CoreRegistry, name: string): Promise<void> {
  const repository = name as Repository
  const layer = Buffer.from('a layer of that name')
  const digest = digestOf(layer, 'sha512')
  await registry.uploads.whole(repository, once(layer), digest)
  await registry.pushBlob(repository, '{}')
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      artifactType: 'application/vnd.example',
      config: EMPTY,
      layers: [{ mediaType: 'text/plain', digest, size: layer.length }],
    }),
  )
  await registry.manifests.put(repository, digestOf(bytes, 'sha512') as Digest, bytes, OCI_MANIFEST, {
    tags: ['v1' as Tag],
  })
}

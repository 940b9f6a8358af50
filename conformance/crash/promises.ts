import { buffer } from 'node:stream/consumers'
import { expect } from 'chai'
import type { CoreRegistry } from '../../spec/support/registry.ts'
import { FILES, LINKS, MANIFESTS, TAGS } from '../../src/index/tables.ts'
import { algorithmOf, type Digest, digestOf } from '../../src/oci/digest.ts'
import { blobsOf, type Manifest, parseManifest } from '../../src/oci/manifest.ts'
import type { Repository, Tag } from '../../src/oci/name.ts'
import type { BlobHandle, BlobStore } from '../../src/store/contract.ts'

/** All that is there can be pulled, and every byte of it is right. */
export async function expectWhole(registry: CoreRegistry): Promise<void> {
  const { index, blobs, manifests, plugins } = registry
  for (const { key, row } of await index.page(LINKS, [])) {
    const digest = key[1] as Digest
    await expectBytes(digest, blobs.open(digest, row.size))
  }
  for (const { key, row } of await index.page(MANIFESTS, [])) {
    const [repository, digest] = key as [Repository, Digest]
    const { bytes } = await manifests.get(repository, digest)
    expect(digestOf(bytes, algorithmOf(digest))).to.equal(digest)
    await expectReferences(registry, repository, parseManifest(bytes, row.mediaType))
  }
  for (const { key, row } of await index.page(TAGS, []))
    expect((await manifests.get(key[0] as Repository, key[1] as Tag)).digest).to.equal(row.digest)
  for (const { key, row } of await index.page(FILES, [])) {
    const digest = `sha256:${key[0]}` as Digest
    await expectBytes(digest, plugins.open(digest))
    for (const { name } of row.descriptors)
      expect((await plugins.variants(name, {}, 0, 50)).map(variant => variant.digest)).to.include(key[0])
  }
}

/** A blob in the store is right or not there, whoever holds it. */
export async function expectRight(store: BlobStore, digest: Digest): Promise<void> {
  const blob = await store.open(digest)
  if (blob) await expectBytes(digest, blob)
}

/** What a manifest references is in its repository, and by this file's other loops it is right there. */
async function expectReferences(
  { blobs, manifests }: CoreRegistry,
  repository: Repository,
  manifest: Manifest,
): Promise<void> {
  if (manifest.kind === 'image') {
    for (const { digest, size } of blobsOf(manifest))
      expect(await blobs.stat(repository, digest as Digest)).to.equal(size)
  } else {
    for (const { digest } of manifest.manifests) await manifests.get(repository, digest as Digest)
  }
}

async function expectBytes(digest: Digest, blob: BlobHandle | Promise<BlobHandle>): Promise<void> {
  const bytes = await buffer((await blob).read())
  expect(digestOf(bytes, algorithmOf(digest))).to.equal(digest)
}

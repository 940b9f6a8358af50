import { EMPTY, type Located } from '../../spec/support/oci.ts'
import { plugin } from '../../spec/support/plugins.ts'
import { type CoreRegistry, once, repo, tag } from '../../spec/support/registry.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { BLOCK } from '../../src/store/direct-writer.ts'

/** One request, or what a client does in several; doing it again does no harm. */
export interface Step {
  readonly name: string
  run(registry: CoreRegistry): Promise<unknown>
}

/**
 * Everything that changes the storage, once: blobs in one piece and in chunks, a mount, manifests and tags, a plugin over
 * the REST API, deletes. `seed` is in all contents and names.
 */
export function wholePush(seed: string): Step[] {
  const [app, other] = [`app-${seed}`, `other-${seed}`]
  const whole = contentOf(`whole ${seed}`)
  const chunked = contentOf(`chunked ${seed}`)
  const large = Buffer.concat([Buffer.alloc(BLOCK, seed), Buffer.from(seed)])
  const binary = Buffer.concat([plugin('libmemflow_pair-0.2.0.x86_64.so').bytes, Buffer.from(seed)])
  const [layer, second] = [whole, chunked].map(bytes => located(bytes)) as [Located, Located]
  const image = (layers: readonly Located[]) => ({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: EMPTY,
    layers,
    artifactType: 'application/vnd.example',
  })
  const first = image([layer, second])
  const [manifest, beside] = [first, image([layer])].map(document =>
    located(Buffer.from(JSON.stringify(document)), OCI_MANIFEST),
  ) as [Located, Located]
  return [
    { name: 'a blob in one piece', run: registry => registry.pushBlob(app, whole) },
    { name: 'a small blob', run: registry => registry.pushBlob(app, '{}') },
    { name: 'a blob in chunks', run: registry => pushChunks(registry, app, chunked) },
    {
      name: 'a manifest under three tags',
      run: registry =>
        registry.pushManifest(app, undefined, first, { tags: ['v1', 'latest', 'stable'].map(tag) }),
    },
    { name: 'a mounted blob', run: registry => mount(registry, other, layer, app) },
    { name: 'another', run: registry => mount(registry, other, EMPTY, app) },
    { name: 'a manifest beside it', run: registry => registry.pushManifest(other, 'v1', image([layer])) },
    { name: 'a tag that moves', run: registry => registry.pushManifest(app, 'latest', image([second])) },
    {
      name: 'an index',
      run: registry =>
        registry.pushManifest(app, 'all', { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [manifest] }),
    },
    {
      name: 'a referrer',
      run: registry => registry.pushManifest(app, undefined, { ...image([EMPTY]), subject: manifest }),
    },
    { name: 'two plugins in a binary', run: registry => registry.publish(binary) },
    { name: 'a blob that is there', run: registry => registry.pushBlob(app, whole) },
    { name: 'a tag less', run: registry => gone(registry.manifests.delete(repo(app), tag('stable'))) },
    { name: 'a manifest less', run: registry => gone(registry.manifests.delete(repo(other), beside.digest)) },
    { name: 'a blob less', run: registry => gone(registry.blobs.delete(repo(other), layer.digest)) },
    { name: 'a plugin less', run: registry => gone(registry.plugins.delete(digestOf(binary))) },
    { name: 'garbage less', run: collect },
    // The last, so that few disks have it.
    { name: 'a large blob', run: registry => registry.pushBlob(app, large) },
  ]
}

/** Goes over several chunks of an upload, and has the seed in it. */
function contentOf(seed: string): Buffer {
  return Buffer.from(`${seed}, `.repeat(60))
}

function located(bytes: Uint8Array, mediaType = 'application/octet-stream'): Located {
  return { mediaType, digest: digestOf(bytes), size: bytes.length }
}

async function pushChunks(registry: CoreRegistry, repository: string, bytes: Buffer): Promise<void> {
  const session = await registry.uploads.begin(repo(repository))
  const third = Math.ceil(bytes.length / 3)
  for (const at of [0, third])
    await registry.uploads.append(repo(repository), session, {
      body: once(bytes.subarray(at, at + third)),
      at,
    })
  const last = { body: once(bytes.subarray(2 * third)), at: 2 * third }
  await registry.uploads.finish(repo(repository), session, last, digestOf(bytes))
}

async function mount(registry: CoreRegistry, to: string, { digest }: Located, from: string): Promise<void> {
  if (!(await registry.blobs.mount(repo(to), digest, repo(from))))
    throw new Error('there is nothing to mount')
}

/** One pass finds what is of no use, and where the policy gives no grace, the next one removes it. */
async function collect(registry: CoreRegistry): Promise<void> {
  for (let pass = 0; pass < 2; pass++) await registry.collector.collect()
}

/** A delete whose answer was lost may find nothing when it is sent again. */
async function gone(work: Promise<void>): Promise<void> {
  await work.catch(error => {
    if (!/_UNKNOWN$/.test(error.error)) throw error
  })
}

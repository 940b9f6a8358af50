import { createHash, randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { pack } from 'tar-stream'

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const INDEX = 'application/vnd.oci.image.index.v1+json'
const CONFIG = 'application/vnd.oci.image.config.v1+json'
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'

interface Descriptor {
  mediaType: string
  digest: string
  size: number
}

/** An OCI image layout that clients push from: an image of one layer for each platform. */
export interface Layout {
  readonly folder: string
  /** Digest of the one image, or of the index over them. */
  readonly digest: string
  /** What the layer's file `/data` holds, platform by platform. */
  readonly data: Record<string, Buffer>
  /** Every blob by its digest, manifests included. */
  readonly blobs: ReadonlyMap<string, Buffer>
}

/** Writes an OCI image layout with the tag `v1`; more than one platform makes it an index. */
export async function writeLayout(
  folder: string,
  platforms: readonly string[] = ['linux/amd64'],
): Promise<Layout> {
  const blobs = new Map<string, Buffer>()
  const put = (mediaType: string, bytes: Buffer): Descriptor => {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    blobs.set(digest, bytes)
    return { mediaType, digest, size: bytes.length }
  }
  const putJson = (mediaType: string, document: object) =>
    put(mediaType, Buffer.from(JSON.stringify(document)))

  const data: Record<string, Buffer> = {}
  const images = []
  for (const platform of platforms) {
    const [os, architecture] = platform.split('/')
    const content = randomBytes(64 * 1024)
    data[platform] = content
    const tar = await tarOf('data', content)
    const config = putJson(CONFIG, {
      os,
      architecture,
      config: {},
      rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(tar).digest('hex')}`] },
    })
    const layers = [put(LAYER, await promisify(gzip)(tar))]
    const image = putJson(MANIFEST, { schemaVersion: 2, mediaType: MANIFEST, config, layers })
    images.push({ ...image, platform: { os, architecture } })
  }
  const [only] = images
  const top =
    only && images.length === 1
      ? only
      : putJson(INDEX, { schemaVersion: 2, mediaType: INDEX, manifests: images })

  await mkdir(join(folder, 'blobs/sha256'), { recursive: true })
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  const tagged = { ...top, annotations: { 'org.opencontainers.image.ref.name': 'v1' } }
  await writeFile(
    join(folder, 'index.json'),
    JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [tagged] }),
  )
  for (const [digest, bytes] of blobs) await writeFile(join(folder, 'blobs', digest.replace(':', '/')), bytes)
  return { folder, digest: top.digest, data, blobs }
}

/** A tar file with one file in it. */
async function tarOf(name: string, content: Buffer): Promise<Buffer> {
  const archive = pack()
  archive.entry({ name, mode: 0o644, mtime: new Date(0) }, content)
  archive.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of archive) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

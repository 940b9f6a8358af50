import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { imageManifest } from '../../spec/support/oci.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { Client } from './client.ts'
import type { Peer } from './peers.ts'
import { pushConfig, pushContent, pushManifest } from './push.ts'

export const MIB = 2 ** 20

/** The repository that everything is in, and one with a single tag. */
export const REPOSITORY = 'bench/app'
export const SMALL_REPOSITORY = 'bench/one'

export const TAGS = 300
export const REFERRERS = 20

/** What is put into every registry. */
export class Content {
  readonly blob = randomBytes(2 * MIB)
  readonly largeBlob = randomBytes(200 * MIB)
  readonly blobDigest = digestOf(this.blob)
  readonly largeBlobDigest = digestOf(this.largeBlob)
  readonly manifest: Buffer
  readonly manifestDigest: Digest

  constructor() {
    const layer = {
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest: this.blobDigest,
      size: this.blob.length,
    }
    this.manifest = imageManifest([layer, layer, layer])
    this.manifestDigest = digestOf(this.manifest)
  }

  /** Over the registry's API, without the large blob where it is not wanted. */
  async push({ service, headers }: Peer, large = true): Promise<void> {
    const client = new Client(service.url, 1, headers)
    try {
      for (const repository of [REPOSITORY, SMALL_REPOSITORY]) {
        await pushConfig(client, repository)
        await pushContent(client, repository, this.blob)
      }
      if (large) await pushContent(client, REPOSITORY, this.largeBlob)
      await pushManifest(client, SMALL_REPOSITORY, 'v1', this.manifest)
      for (let n = 0; n < TAGS; n++) await pushManifest(client, REPOSITORY, `v${n}`, this.manifest)
      for (let n = 0; n < REFERRERS; n++) await this.#pushReferrer(client, n)
    } finally {
      client.close()
    }
  }

  /** The blobs as files at the paths that they have in a registry, for a server of files. */
  async write(folder: string): Promise<void> {
    const blobs = join(folder, 'v2', REPOSITORY, 'blobs')
    await mkdir(blobs, { recursive: true })
    await writeFile(join(blobs, this.blobDigest), this.blob)
    await writeFile(join(blobs, this.largeBlobDigest), this.largeBlob)
  }

  async #pushReferrer(client: Client, n: number): Promise<void> {
    const subject = { mediaType: OCI_MANIFEST, digest: this.manifestDigest, size: this.manifest.length }
    const more = { artifactType: 'application/x.bench', subject, annotations: { n: String(n) } }
    const referrer = imageManifest([], more)
    await pushManifest(client, REPOSITORY, digestOf(referrer), referrer)
  }
}

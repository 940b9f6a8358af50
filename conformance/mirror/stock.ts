import { randomBytes } from 'node:crypto'
import { Content } from '../../spec/support/upstream/content.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'

/** What an upstream has of an artifact. */
export interface Stocked {
  readonly manifest: Digest
  readonly layer: Digest
  /** Of a manifest that refers to it. */
  readonly referrer: Digest
}

/** Two artifacts in `app`: the one that is pulled before the upstream fails, and the one that is not; `other` has one. */
export class Stock {
  readonly content = new Content()
  readonly kept = this.#artifact('app', 'kept')
  readonly absent = this.#artifact('app', 'absent')
  readonly other = this.#artifact('other', 'absent')

  #artifact(repository: string, tag: string): Stocked {
    const config = {
      mediaType: 'application/vnd.oci.empty.v1+json',
      digest: this.content.blob('{}'),
      size: 2,
    }
    const bytes = randomBytes(100_000)
    const layer = this.content.blob(bytes)
    const layers = [{ mediaType: 'application/octet-stream', digest: layer, size: bytes.length }]
    const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers }
    const manifest = this.content.manifest(repository, document, tag)
    const size = JSON.stringify(document).length
    const subject = { mediaType: OCI_MANIFEST, digest: manifest, size }
    const referrer = this.content.manifest(repository, { ...document, artifactType: 'a/referrer', subject })
    return { manifest, layer, referrer }
  }
}

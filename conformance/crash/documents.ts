import { type Content, INDEX, MANIFEST } from './registry-client.ts'

export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

export function descriptorOf({ digest, bytes }: Content, mediaType: string): Descriptor {
  return { mediaType, digest, size: bytes.length }
}

/** An artifact of these blobs, the first of which is its config. */
export function imageOf([config, ...layers]: readonly Content[], more: object): object {
  return {
    schemaVersion: 2,
    mediaType: MANIFEST,
    artifactType: 'application/vnd.example.soak',
    config: config && descriptorOf(config, 'application/vnd.example'),
    layers: layers.map(layer => descriptorOf(layer, 'application/vnd.example')),
    ...more,
  }
}

export function indexOf(manifests: readonly Descriptor[], more: object): object {
  return { schemaVersion: 2, mediaType: INDEX, manifests, ...more }
}

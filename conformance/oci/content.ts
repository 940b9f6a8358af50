import { createHash, randomBytes } from 'node:crypto'

export type Algorithm = 'sha256' | 'sha512'

export interface Descriptor {
  mediaType: string
  digest: string
  size: number
  artifactType?: string
  annotations?: Record<string, string>
  [field: string]: unknown
}

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json'
export const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'
export const OCI_EMPTY = 'application/vnd.oci.empty.v1+json'
export const OCI_NONDISTRIBUTABLE = 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
export const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json'
export const DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar.gzip'

/** `algorithm:hex` of the bytes. */
export function digestOf(bytes: Uint8Array | string, algorithm: Algorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}

/** A digest that nothing in the registry has. */
export function unknownDigest(algorithm: Algorithm = 'sha256'): string {
  return digestOf(randomBytes(32), algorithm)
}

/** A short word that no other run uses. */
export function randomWord(): string {
  return randomBytes(6).toString('hex')
}

/** Bytes with their type: a blob, or a manifest exactly as it goes over the wire. */
export class Content {
  readonly mediaType: string
  readonly bytes: Buffer

  constructor(mediaType: string, bytes: Uint8Array | string) {
    this.mediaType = mediaType
    this.bytes = Buffer.from(bytes as Uint8Array)
  }

  digest(algorithm: Algorithm = 'sha256'): string {
    return digestOf(this.bytes, algorithm)
  }

  descriptor(extra: Record<string, unknown> = {}, algorithm: Algorithm = 'sha256'): Descriptor {
    return {
      mediaType: this.mediaType,
      digest: this.digest(algorithm),
      size: this.bytes.length,
      ...extra,
    }
  }
}

/** A blob of random bytes. */
export function blob(size = 512, mediaType = OCI_LAYER): Content {
  return new Content(mediaType, randomBytes(size))
}

/** A config that parses as an image's, different each time. */
export function config(mediaType = OCI_CONFIG): Content {
  return new Content(
    mediaType,
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      author: randomWord(),
      rootfs: { type: 'layers', diff_ids: [] },
    }),
  )
}

/** The empty JSON object that artifacts without a config refer to, image-spec manifest.md#guidance-for-an-empty-descriptor. */
export const EMPTY = new Content(OCI_EMPTY, '{}')

/** A manifest of that value; the members of `value` keep their order. */
export function manifest(value: Record<string, unknown>): Content {
  return new Content(String(value.mediaType), JSON.stringify(value))
}

/** An image manifest; `extra` adds members or replaces them. */
export function image(
  parts: { config: Descriptor; layers: Descriptor[] },
  extra: Record<string, unknown> = {},
): Content {
  return manifest({ schemaVersion: 2, mediaType: OCI_MANIFEST, ...parts, ...extra })
}

/** An artifact without a config and without layers of its own; it needs the blob `EMPTY` and nothing else. */
export function artifact(extra: Record<string, unknown> = {}): Content {
  const parts = { config: EMPTY.descriptor(), layers: [EMPTY.descriptor()] }
  const annotations = { 'org.example.nonce': randomWord(), ...(extra.annotations as object | undefined) }
  return image(parts, { artifactType: 'application/vnd.example.artifact', ...extra, annotations })
}

/** A valid artifact of exactly that many bytes. */
export function sizedArtifact(bytes: number): Content {
  const padding = bytes - artifact({ annotations: { padding: '' } }).bytes.length
  return artifact({ annotations: { padding: 'x'.repeat(padding) } })
}

/** An image index of those manifests. */
export function index(manifests: Descriptor[], extra: Record<string, unknown> = {}): Content {
  return manifest({ schemaVersion: 2, mediaType: OCI_INDEX, manifests, ...extra })
}

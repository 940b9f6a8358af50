/** image-spec media-types.md, and the Docker types it names as compatible. */
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json'
export const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json'
export const OCTET_STREAM = 'application/octet-stream'

/** The media types that PUT /manifests/ takes, and the kind of document each promises. */
export const MANIFEST_KINDS = {
  [OCI_MANIFEST]: 'image',
  [DOCKER_MANIFEST]: 'image',
  [OCI_INDEX]: 'index',
  [DOCKER_LIST]: 'index',
} as const

export type ManifestMediaType = keyof typeof MANIFEST_KINDS

export function isManifestMediaType(text: string): text is ManifestMediaType {
  return Object.hasOwn(MANIFEST_KINDS, text)
}

/** The kind of document that a media type promises; undefined for one that PUT /manifests/ does not take. */
export function manifestKind(text: string): 'image' | 'index' | undefined {
  return isManifestMediaType(text) ? MANIFEST_KINDS[text] : undefined
}

/** Whether the value can be taken as a media type that is not looked into: it is a part of keys and of headers. */
export function isMediaType(value: unknown): value is string {
  return typeof value === 'string' && /^[ -~]{1,255}$/.test(value)
}

/** A media type without its parameters, in lower case (RFC 9110, 8.3.1). */
export function bareType(text: string): string {
  return text.split(';', 1)[0]?.trim().toLowerCase() ?? ''
}

/** image-spec layer.md#non-distributable-layers: such layers need not be in the registry. */
export function isNonDistributable(mediaType: string): boolean {
  return (
    mediaType.startsWith('application/vnd.oci.image.layer.nondistributable.v1.') ||
    mediaType === 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'
  )
}

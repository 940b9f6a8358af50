import { RegistryError } from './errors.ts'
import { descriptorIn, textsIn } from './lenient-descriptor.ts'
import { type Descriptor, type Manifest, parseObject } from './manifest.ts'
import { checkManifestLimits, type ManifestLimits, STORED_LIMITS } from './manifest-limits.ts'
import { bareType, isMediaType, manifestKind, OCI_INDEX, OCI_MANIFEST, OCTET_STREAM } from './media-types.ts'

/**
 * Reads a manifest that an upstream serves, or that is stored. A mirror hands on the bytes that have the digest, so only
 * what this registry needs is understood: the media type, the descriptors and the annotations. Null, and whatever else
 * is not as image-spec wants it, counts as absent. `contentType` is the upstream's header, or the stored media type.
 * Throws `MANIFEST_INVALID` if it is no JSON object, or if nothing says whether it is an image or an index, and
 * `MANIFEST_TOO_LARGE` beyond the limits.
 */
export function parseLenientManifest(
  bytes: Uint8Array,
  contentType: string | undefined,
  limits: ManifestLimits = STORED_LIMITS,
): Manifest {
  const document = parseObject(bytes, { ...limits.json, repeatedNames: 'last' })
  checkManifestLimits(document, limits)
  const mediaType = mediaTypeOf(document, contentType)
  const subject = descriptorIn(document.subject, OCI_MANIFEST)
  const annotations = textsIn(document.annotations)
  const common = {
    mediaType,
    ...(isMediaType(document.artifactType) && { artifactType: document.artifactType }),
    ...(subject && { subject }),
    ...(annotations && { annotations }),
  }
  const kind = manifestKind(mediaType)
  const config = descriptorIn(document.config, OCTET_STREAM)
  const layers = kind === 'index' ? [] : entriesIn(document.layers, OCTET_STREAM)
  if (kind === 'image') return { ...common, kind, config, layers }
  const manifests = entriesIn(document.manifests, OCI_MANIFEST)
  if (kind === 'index') return { ...common, kind, manifests }
  // Of another type, such as the artifact manifest of ORAS: an index of all that it names.
  const blobs = entriesIn(document.blobs, OCTET_STREAM)
  return {
    ...common,
    kind: 'index',
    manifests: [...manifests, ...(config ? [config] : []), ...layers, ...blobs],
  }
}

function entriesIn(list: unknown, mediaType: string): Descriptor[] {
  if (!Array.isArray(list)) return []
  return list.map(entry => descriptorIn(entry, mediaType)).filter(entry => entry !== undefined)
}

/**
 * The type that the upstream sends, else the one that the document states. A general one such as application/json says
 * nothing, and then the fields decide, as clients do. A document that has the fields of both kinds means different
 * things to different clients (GHSA-mc8v-mgrf-8f4m), so its type is never guessed.
 */
function mediaTypeOf(document: Record<string, unknown>, contentType = ''): string {
  const { config, layers, manifests, mediaType } = document
  const stated = [contentType, typeof mediaType === 'string' ? mediaType : ''].map(bareType)
  const known = stated.find(manifestKind) ?? stated.find(type => /^application\/vnd\./.test(type))
  if (known !== undefined && isMediaType(known)) return known
  if (!Array.isArray(manifests)) return OCI_MANIFEST
  if (!Array.isArray(layers) && !config) return OCI_INDEX
  throw new RegistryError('MANIFEST_INVALID', {
    message: 'the manifest has the fields of an image and of an index, and its media type is neither',
    detail: { mediaType: stated.map(type => type.slice(0, 255)) },
  })
}

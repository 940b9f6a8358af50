import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { isDigest } from './digest.ts'
import { RegistryError } from './errors.ts'
import { checkManifestLimits, MANIFEST_LIMITS } from './manifest-limits.ts'
import { EXPECTED, IMAGE_SCHEMA, INDEX_SCHEMA } from './manifest-schema.ts'
import {
  bareType,
  isManifestMediaType,
  MANIFEST_KINDS,
  type ManifestMediaType,
  manifestKind,
  OCI_INDEX,
  OCI_MANIFEST,
} from './media-types.ts'
import { type JsonLimits, JsonTooLarge, MANIFEST_JSON, parseStrictJson } from './strict-json.ts'

/** image-spec descriptor.md. The digest may be of an algorithm that this registry does not store. */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly urls?: readonly string[]
  readonly annotations?: Readonly<Record<string, string>>
  readonly data?: string
  readonly artifactType?: string
  readonly platform?: Platform
}

/** Of a descriptor of an upstream that has no size, or none that is a number. */
export const UNKNOWN_SIZE = -1

export interface Platform {
  readonly architecture: string
  readonly os: string
}

interface Common {
  /** One that PUT /manifests/ takes, or what an upstream serves it as. */
  readonly mediaType: string
  readonly artifactType?: string
  readonly subject?: Descriptor
  readonly annotations?: Readonly<Record<string, string>>
}

export interface ImageManifest extends Common {
  readonly kind: 'image'
  /** Undefined only if an upstream serves an image without one. */
  readonly config: Descriptor | undefined
  readonly layers: readonly Descriptor[]
}

export interface ImageIndex extends Common {
  readonly kind: 'index'
  readonly manifests: readonly Descriptor[]
}

export type Manifest = ImageManifest | ImageIndex

/** distribution-spec, Pushing manifests: at least 4 megabytes should be taken. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024

// Compiled with the first manifest. The schemas are ours and not checked: this would compile the one of schemas as well.
const CHECKED = { meta: false, validateSchema: false }
const ajv = new Ajv({ ...CHECKED, verbose: true, strict: true, strictTypes: false, strictRequired: false })
  .addSchema(IMAGE_SCHEMA, 'image')
  .addSchema(INDEX_SCHEMA, 'index')

/**
 * Reads and checks a pushed manifest. `contentType` is the request's header, parameters and all, if it had one.
 * Throws `MANIFEST_INVALID` with the place and the rule that is broken, `MANIFEST_TOO_LARGE` beyond the limits.
 * All of it happens at once: for bytes of strangers use `Documents`, which parses large ones in another thread.
 */
export function parseManifest(
  bytes: Uint8Array,
  contentType: string | undefined,
  limits = MANIFEST_LIMITS,
): Manifest {
  const document = parseObject(bytes, limits.json)
  checkManifestLimits(document, limits)
  const mediaType = mediaTypeOf(document, contentType)
  const kind = MANIFEST_KINDS[mediaType]
  const validate = ajv.getSchema(kind) as ValidateFunction
  if (!validate(document)) {
    const fault = validate.errors?.[0]
    throw invalid(messageOf(fault), { path: fault?.instancePath, rule: fault?.schemaPath })
  }
  const manifest = { ...document, mediaType, kind } as unknown as Manifest
  for (const descriptor of descriptorsOf(manifest)) checkDescriptor(descriptor)
  return manifest
}

/** Every descriptor in the manifest, its subject among them. */
export function descriptorsOf(manifest: Manifest): Descriptor[] {
  const own = manifest.kind === 'image' ? blobsOf(manifest) : [...manifest.manifests]
  return manifest.subject ? [...own, manifest.subject] : own
}

/** The manifests that an index names. */
export function childrenOf(manifest: Manifest): Descriptor[] {
  return manifest.kind === 'index' ? manifest.manifests.filter(entry => !isBlob(entry)) : []
}

/**
 * The blobs that the manifest names: config and layers. An index may name blobs as well, as BuildKit's cache does
 * (image-spec image-index.md: entries may have any media type).
 */
export function blobsOf(manifest: Manifest): Descriptor[] {
  if (manifest.kind === 'index') return manifest.manifests.filter(isBlob)
  return manifest.config ? [manifest.config, ...manifest.layers] : [...manifest.layers]
}

function isBlob({ mediaType }: Descriptor): boolean {
  return manifestKind(bareType(mediaType)) === undefined
}

/** One descriptor of each digest: a manifest may name the same content any number of times. */
export function distinct(descriptors: readonly Descriptor[]): Descriptor[] {
  return [...new Map(descriptors.map(descriptor => [descriptor.digest, descriptor])).values()]
}

/** distribution-spec, Listing referrers: the artifactType, else for an image the config's media type. */
export function artifactTypeOf(manifest: Manifest): string | undefined {
  return manifest.artifactType || (manifest.kind === 'image' ? manifest.config?.mediaType : undefined)
}

/** Throws `MANIFEST_INVALID` if it is no JSON object that means the same to every reader, `MANIFEST_TOO_LARGE`. */
export function parseObject(bytes: Uint8Array, limits: JsonLimits = MANIFEST_JSON): Record<string, unknown> {
  let document: unknown
  try {
    document = parseStrictJson(bytes, limits)
  } catch (cause) {
    if (cause instanceof JsonTooLarge) {
      const { limit, found } = cause
      const message = `the manifest is larger than this registry accepts: ${cause.message}`
      throw new RegistryError('MANIFEST_TOO_LARGE', { message, detail: { limit, found } })
    }
    const message = `the manifest is not unambiguous JSON in UTF-8: ${(cause as Error).message}`
    throw new RegistryError('MANIFEST_INVALID', { message, detail: { bytes: bytes.length }, cause })
  }
  if (typeof document === 'object' && document !== null && !Array.isArray(document)) {
    return document as Record<string, unknown>
  }
  throw invalid('the manifest is not a JSON object')
}

/** Where the manifest breaks a rule of the schema, and what is expected there. */
function messageOf({ instancePath = '', keyword, message, parentSchema }: Partial<ErrorObject> = {}): string {
  const expected: string | undefined = parentSchema?.[EXPECTED]
  const isNamed = expected !== undefined && (keyword === 'pattern' || keyword === 'not')
  return `manifest${instancePath} ${isNamed ? `must be ${expected}` : (message ?? 'does not fit the schema')}`
}

function mediaTypeOf(document: Record<string, unknown>, contentType: string | undefined): ManifestMediaType {
  const claimed = document.mediaType
  const header = bareType(contentType ?? '') || undefined
  if (header !== undefined && claimed !== undefined && claimed !== header) {
    throw invalid('the Content-Type is not the mediaType of the manifest', {
      contentType: header,
      mediaType: shown(claimed),
    })
  }
  const mediaType = header ?? claimed ?? ('manifests' in document ? OCI_INDEX : OCI_MANIFEST)
  if (typeof mediaType === 'string' && isManifestMediaType(mediaType)) return mediaType
  throw invalid(`a manifest is one of ${Object.keys(MANIFEST_KINDS).join(', ')}`, {
    mediaType: shown(mediaType),
  })
}

/** image-spec descriptor.md#digests: a registered algorithm has its own grammar, which the schema cannot tell. */
function checkDescriptor(descriptor: Descriptor): void {
  if (/^sha(?:256|512):/.test(descriptor.digest) && !isDigest(descriptor.digest)) {
    throw invalid('a digest in the manifest is malformed', { digest: descriptor.digest })
  }
}

/** A value of the document in an error: short, whatever was sent. */
function shown(value: unknown): unknown {
  return typeof value === 'string' ? value.slice(0, 255) : typeof value
}

function invalid(message: string, detail?: unknown): RegistryError {
  return new RegistryError('MANIFEST_INVALID', { message, detail })
}

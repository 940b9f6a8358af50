/**
 * JSON schemas of what may be pushed as a manifest: image-spec descriptor.md, manifest.md and image-index.md.
 * Fields the spec does not name are allowed ("implementations MUST NOT generate an error", considerations.md).
 */
/** What messages say of a text that is not as expected, in place of the pattern. */
export const EXPECTED = 'description'

/**
 * RFC 6838 allows fewer characters, and no parameters. Tools push `text/plain; charset=utf-8` all the same, so the text
 * is opaque. Control characters are refused because media types are parts of keys and of headers.
 */
const MEDIA_TYPE = {
  type: 'string',
  maxLength: 255,
  pattern: '^[!-.0-~]+/[ -~]+$',
  [EXPECTED]: 'a media type such as application/json, of printable ASCII characters',
}

/** The digest may be of any algorithm. */
export const DIGEST = {
  type: 'string',
  maxLength: 512,
  pattern: '^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[A-Za-z0-9=_-]+$',
  [EXPECTED]: 'a digest such as sha256: and 64 digits from 0 to f',
}

const ANNOTATIONS = { type: 'object', additionalProperties: { type: 'string' } }

/** A word of a platform; nothing that is in use has more than some dozen characters. */
const SHORT = { type: 'string', maxLength: 255 }

const DESCRIPTOR = {
  type: 'object',
  required: ['mediaType', 'digest', 'size'],
  properties: {
    mediaType: MEDIA_TYPE,
    digest: DIGEST,
    size: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
    urls: { type: 'array', maxItems: 100, items: { type: 'string', maxLength: 8192 } },
    annotations: ANNOTATIONS,
    data: { type: 'string' },
    artifactType: MEDIA_TYPE,
    platform: {
      type: 'object',
      required: ['architecture', 'os'],
      properties: {
        architecture: SHORT,
        os: SHORT,
        'os.version': SHORT,
        'os.features': { type: 'array', maxItems: 100, items: SHORT },
        variant: SHORT,
      },
    },
  },
}

const COMMON = {
  schemaVersion: { const: 2 },
  mediaType: MEDIA_TYPE,
  artifactType: MEDIA_TYPE,
  subject: DESCRIPTOR,
  annotations: ANNOTATIONS,
}

export const IMAGE_SCHEMA = {
  type: 'object',
  required: ['schemaVersion', 'config', 'layers'],
  // A document that reads as both kinds means different things to different clients (GHSA-mc8v-mgrf-8f4m).
  not: { anyOf: [{ required: ['manifests'] }, { required: ['fsLayers'] }] },
  [EXPECTED]: 'an image manifest alone; leave out manifests and fsLayers',
  properties: { ...COMMON, config: DESCRIPTOR, layers: { type: 'array', items: DESCRIPTOR } },
} as const

export const INDEX_SCHEMA = {
  type: 'object',
  required: ['schemaVersion', 'manifests'],
  not: { anyOf: [{ required: ['config'] }, { required: ['layers'] }, { required: ['fsLayers'] }] },
  [EXPECTED]: 'an image index alone; leave out config, layers and fsLayers',
  properties: { ...COMMON, manifests: { type: 'array', items: DESCRIPTOR } },
} as const

import { isDigest } from './digest.ts'
import { type Descriptor, UNKNOWN_SIZE } from './manifest.ts'
import { DIGEST } from './manifest-schema.ts'
import { isMediaType } from './media-types.ts'

/**
 * What is understood of a descriptor that an upstream has written; undefined without a digest. Fields that are not as
 * image-spec descriptor.md wants them are absent: the media type is `fallback` then, and the size `UNKNOWN_SIZE`.
 */
export function descriptorIn(value: unknown, fallback: string): Descriptor | undefined {
  if (!isObject(value) || !isDigestText(value.digest)) return undefined
  const { digest, mediaType, size, artifactType, annotations, data, urls, platform } = value
  const [texts, { architecture, os, ...more }] = [textsIn(annotations), textsIn(platform) ?? {}]
  return {
    mediaType: isMediaType(mediaType) ? mediaType : fallback,
    digest,
    size: isSize(size) ? size : UNKNOWN_SIZE,
    ...(isMediaType(artifactType) && { artifactType }),
    ...(architecture && os && { platform: { architecture, os, ...more } }),
    ...(texts && { annotations: texts }),
    ...(Array.isArray(urls) && { urls: urls.filter(url => typeof url === 'string') }),
    ...(typeof data === 'string' && { data }),
  }
}

/** The members of the object that are texts, such as annotations; undefined if it is no object. */
export function textsIn(value: unknown): Record<string, string> | undefined {
  if (!isObject(value)) return undefined
  return Object.fromEntries(
    Object.entries(value).filter((member): member is [string, string] => typeof member[1] === 'string'),
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The digest may be of an algorithm that is not stored here. */
function isDigestText(value: unknown): value is string {
  if (typeof value !== 'string' || value.length > DIGEST.maxLength || !DIGEST_TEXT.test(value)) return false
  return isDigest(value) || !/^sha(?:256|512):/.test(value)
}

const DIGEST_TEXT = new RegExp(DIGEST.pattern)

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

import { OCI_INDEX } from '../../../src/oci/media-types.ts'
import type { Content } from './content.ts'

/** What an upstream answers that has no faults. */
export interface SoundAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export type Kind =
  | 'base'
  | 'catalog'
  | 'manifest'
  | 'blob'
  | 'tags'
  | 'referrers'
  | 'token'
  | 'names'
  | 'variants'
  | 'file'
  | 'metadata'
  | 'other'

const PATHS: readonly [Kind, RegExp][] = [
  ['base', /^\/v2\/?$/],
  ['catalog', /^\/v2\/_catalog$/],
  ['manifest', /^\/v2\/(.+)\/manifests\/([^/]+)$/],
  ['blob', /^\/v2\/(.+)\/blobs\/([^/]+)$/],
  ['tags', /^\/v2\/(.+)\/tags\/list$/],
  ['referrers', /^\/v2\/(.+)\/referrers\/([^/]+)$/],
  ['token', /^\/token$/],
  ['names', /^\/plugins$/],
  ['variants', /^\/plugins\/([^/]+)$/],
  ['file', /^\/files\/([^/]+)$/],
  ['metadata', /^\/files\/([^/]+)\/metadata$/],
]

/** What a request is for. */
export function kindOf(url: URL): { kind: Kind; parts: readonly string[] } {
  for (const [kind, pattern] of PATHS) {
    const match = pattern.exec(url.pathname)
    if (match) return { kind, parts: match.slice(1).map(decodeURIComponent) }
  }
  return { kind: 'other', parts: [] }
}

/** The answer out of the content. */
export function answerOf(content: Content, url: URL, range: string | undefined): SoundAnswer {
  const { kind, parts } = kindOf(url)
  const [first = '', second = ''] = parts
  switch (kind) {
    case 'base':
      return json({})
    case 'catalog':
      return page(url, 'repositories', [...content.tags.keys()].sort())
    case 'tags': {
      const tags = content.tags.get(first)
      return tags ? page(url, 'tags', [...tags.keys()]) : unknown('NAME_UNKNOWN')
    }
    case 'manifest': {
      const manifest = content.manifestAt(first, second)
      if (!manifest) return unknown('MANIFEST_UNKNOWN')
      const { bytes, mediaType, digest } = manifest
      return answer(bytes, { 'content-type': mediaType, 'docker-content-digest': digest })
    }
    case 'referrers': {
      const manifests = content.referrers(first, second)
      return json({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }, OCI_INDEX)
    }
    case 'blob':
      return bytesOf(content.blobs.get(second), range)
    case 'file':
      return bytesOf(content.files.get(first), range)
    case 'names': {
      const named = new Map(content.variants.map(({ descriptor }) => [descriptor.name, descriptor]))
      return json({ plugins: [...named.values()].map(({ name, description }) => ({ name, description })) })
    }
    case 'variants': {
      const skip = Number(url.searchParams.get('skip') ?? 0)
      const limit = Math.min(Number(url.searchParams.get('limit') ?? 5), 50)
      const all = content.variants.filter(({ descriptor }) => descriptor.name === first)
      return json({ plugins: all.slice(skip, skip + limit), skip })
    }
    case 'metadata': {
      const [variant, ...more] = content.variants.filter(({ digest }) => digest === first)
      if (!variant) return unknown('BLOB_UNKNOWN')
      const { digest, signature, created_at } = variant
      const descriptors = [variant, ...more].map(({ descriptor }) => descriptor)
      return json({ digest, signature, created_at, descriptors })
    }
    default:
      return unknown('UNSUPPORTED')
  }
}

export function json(value: unknown, type = 'application/json'): SoundAnswer {
  return answer(Buffer.from(JSON.stringify(value)), { 'content-type': type })
}

export function errorAnswer(status: number, code: string, headers: Record<string, string> = {}): SoundAnswer {
  const { headers: own, body } = json({ errors: [{ code, message: code.toLowerCase() }] })
  return { status, headers: { ...own, ...headers }, body }
}

function unknown(code: string): SoundAnswer {
  return errorAnswer(404, code)
}

function answer(body: Buffer, headers: Record<string, string>): SoundAnswer {
  return { status: 200, headers: { ...headers, 'content-length': String(body.length) }, body }
}

function bytesOf(content: Buffer | undefined, range: string | undefined): SoundAnswer {
  if (!content) return unknown('BLOB_UNKNOWN')
  const type = { 'content-type': 'application/octet-stream' }
  const start = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0)
  if (start === 0) return answer(content, type)
  if (start >= content.length) return errorAnswer(416, 'SIZE_INVALID')
  const { headers, body } = answer(content.subarray(start), type)
  const stated = `bytes ${start}-${content.length - 1}/${content.length}`
  return { status: 206, headers: { ...headers, 'content-range': stated }, body }
}

/** A part of the list by `n` and `last`, with a Link where there is more. */
function page(url: URL, field: string, all: readonly string[]): SoundAnswer {
  const { searchParams: query, pathname } = url
  const last = query.get('last')
  const from = last === null ? 0 : all.indexOf(last) + 1
  const entries = all.slice(from, from + Number(query.get('n') ?? 1000))
  const sent = json({ [field]: entries })
  const end = entries.at(-1)
  if (end === undefined || from + entries.length >= all.length) return sent
  query.set('last', end)
  return { ...sent, headers: { ...sent.headers, link: `<${pathname}?${query}>; rel="next"` } }
}

import { RegistryError } from '../../oci/errors.ts'

export type Endpoint = 'base' | 'catalog' | 'blob' | 'uploads' | 'upload' | 'manifest' | 'tags' | 'referrers'

/** What a path under /v2/ addresses: an endpoint, a repository and what stands behind it, both still unchecked. */
export interface OciPath {
  readonly endpoint: Endpoint
  readonly name: string
  readonly last: string
}

const BY_NOUN: Record<string, Endpoint> = { blobs: 'blob', manifests: 'manifest', referrers: 'referrers' }

/**
 * Reads a path, not yet decoded, from its end: a repository's name may have any number of parts.
 * One small parser, because a chain of patterns costs more than all else in a manifest GET.
 * Undefined where there is no such endpoint. Throws `NAME_INVALID` for what decodes to something else than one segment.
 */
export function parsePath(path: string): OciPath | undefined {
  const segments = path.split('/').slice(2).map(decode)
  const n = segments.length
  const [first = '', second = '', last = ''] = [segments[n - 3], segments[n - 2], segments[n - 1]]
  const name = (parts: number) => segments.slice(0, n - parts).join('/')
  if (n <= 1) {
    if (last === '') return { endpoint: 'base', name: '', last }
    return last === '_catalog' ? { endpoint: 'catalog', name: '', last } : undefined
  }
  if (first === 'blobs' && second === 'uploads') {
    return { endpoint: last === '' ? 'uploads' : 'upload', name: name(3), last }
  }
  if (second === 'blobs' && last === 'uploads') return { endpoint: 'uploads', name: name(2), last: '' }
  if (second === 'tags' && last === 'list') return { endpoint: 'tags', name: name(2), last }
  const endpoint = Object.hasOwn(BY_NOUN, second) ? BY_NOUN[second] : undefined
  return endpoint && { endpoint, name: name(2), last }
}

function decode(segment: string): string {
  if (!segment.includes('%')) return segment
  try {
    const decoded = decodeURIComponent(segment)
    if (!decoded.includes('/')) return decoded
  } catch {
    // Falls through to the one refusal.
  }
  throw new RegistryError('NAME_INVALID', {
    message: 'the path has an encoding that no name, tag or digest needs',
  })
}

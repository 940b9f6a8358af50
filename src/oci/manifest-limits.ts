import { RegistryError } from './errors.ts'
import type { JsonLimits } from './strict-json.ts'
import { ANY_COUNT, MANIFEST_JSON } from './strict-json.ts'

/** What a manifest may hold beside its bytes. Every descriptor costs rows and reads, every annotation memory. */
export interface ManifestLimits {
  readonly json: JsonLimits
  /** Entries of `layers`, `manifests` or `blobs`, which artifact manifests of ORAS have. */
  readonly descriptors: number
  /** Of one object. */
  readonly annotations: number
  /** Of all objects in the manifest. */
  readonly allAnnotations: number
  /** Bytes of the manifest's own annotations if it has a subject, because every list of referrers repeats them. */
  readonly referrerAnnotations: number
}

export const MANIFEST_LIMITS: ManifestLimits = {
  json: MANIFEST_JSON,
  descriptors: 5000,
  annotations: 1000,
  allAnnotations: 50_000,
  referrerAnnotations: 256 * 1024,
}

/**
 * For a manifest that is stored already, which must stay readable and removable whatever the limits are today, and for
 * the index.json of a layout, which lists all manifests of a registry and is read by commands only.
 */
export const STORED_LIMITS: ManifestLimits = {
  json: ANY_COUNT,
  descriptors: Number.POSITIVE_INFINITY,
  annotations: Number.POSITIVE_INFINITY,
  allAnnotations: Number.POSITIVE_INFINITY,
  referrerAnnotations: Number.POSITIVE_INFINITY,
}

/** Throws `MANIFEST_TOO_LARGE` with the limit and what was found. The document need not fit the schema yet. */
export function checkManifestLimits(document: Record<string, unknown>, limits: ManifestLimits): void {
  const lists = ['layers', 'manifests', 'blobs'].map(name => [name, listIn(document, name)] as const)
  for (const [name, list] of lists) check(`entries in ${name}`, list.length, limits.descriptors)
  const described = [document, document.config, document.subject, ...lists.flatMap(([, list]) => list)]
  let all = 0
  for (const one of described) {
    const count = countAnnotations(one)
    check('annotations in one object', count, limits.annotations)
    all += count
  }
  check('annotations', all, limits.allAnnotations)
  if (document.subject === undefined || document.annotations === undefined) return
  const size = Buffer.byteLength(JSON.stringify(document.annotations))
  check('bytes of annotations beside a subject', size, limits.referrerAnnotations)
}

function listIn(document: Record<string, unknown>, name: string): readonly unknown[] {
  const list = document[name]
  return Array.isArray(list) ? list : []
}

function countAnnotations(described: unknown): number {
  const { annotations } = (described ?? {}) as { annotations?: unknown }
  return typeof annotations === 'object' && annotations !== null ? Object.keys(annotations).length : 0
}

function check(what: string, found: number, limit: number): void {
  if (found <= limit) return
  throw new RegistryError('MANIFEST_TOO_LARGE', {
    message: `the manifest has more ${what} than the ${limit} that this registry accepts: ${found}`,
    detail: { limit, found },
  })
}

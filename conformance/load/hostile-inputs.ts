import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'

/** A request of a hostile client; `n` counts them, so that no two need be alike. */
export interface HostileRequest {
  readonly method: 'GET' | 'PUT' | 'DELETE'
  readonly path: string
  readonly type?: string
  readonly body?: Buffer
}

export type HostileInput = (n: number) => HostileRequest

/** What the server has before: names and builds of plugins, tags, referrers. See `prepare` in neighbours.ts. */
export const STORED = { plugins: 20_000, builds: 20_000, tags: 5000, referrers: 40 }

export const BUILDS_OF = 'crowded'
export const SUBJECT = digestOf('subject')
export const HUGE = 'huge'

const MIB = 2 ** 20

/** May be named without being here. */
const FOREIGN = 'application/vnd.oci.image.layer.nondistributable.v1.tar'

const descriptor = (n: number, mediaType = FOREIGN) => ({ mediaType, digest: digestOf(`${n}`), size: n })
const many = <T>(count: number, make: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n))
const annotations = (count: number) => Object.fromEntries(many(count, n => [`k${n}`, '']))

export const image = (more: object) =>
  Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf('{}'), size: 2 },
      layers: [],
      ...more,
    }),
  )
const index = (entries: number) =>
  Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: many(entries, n => descriptor(n, OCI_MANIFEST)),
    }),
  )

const put = (body: Buffer, type = OCI_MANIFEST): HostileInput => {
  return () => ({ method: 'PUT', path: '/v2/hostile/manifests/v1', type, body })
}

/** Manifests that differ in their first annotation only, so each is stored. */
const putEach = (more: object): HostileInput => {
  const template = image({ annotations: { n: '########' }, ...more })
  const at = template.indexOf('########')
  return n => {
    const body = Buffer.from(template)
    body.write(String(n).padStart(8, '0'), at)
    return { method: 'PUT', path: '/v2/hostile/manifests/v1', type: OCI_MANIFEST, body }
  }
}

const get = (path: (n: number) => string): HostileInput => {
  return n => ({ method: 'GET', path: path(n) })
}

/** By what is in them. Made when they are asked for, because some are large. */
export const HOSTILE_INPUTS: Readonly<Record<string, () => HostileInput>> = {
  'manifest: 4 MiB of open arrays': () => put(Buffer.alloc(4 * MIB, '[')),
  'manifest: 300,000 annotations': () => put(image({ annotations: annotations(300_000) })),
  'manifest: 25,100 layers': () => put(image({ layers: many(25_100, n => descriptor(n)) })),
  'manifest: an index of 26,000 entries': () => put(index(26_000), OCI_INDEX),
  'manifest: an index of 5,000 unknown entries': () => put(index(5000), OCI_INDEX),
  'manifest: 32 KiB of annotations': () =>
    put(image({ annotations: annotations(900), x: annotations(2000) })),
  'manifest: 100,000 names, one twice': () =>
    put(Buffer.from(`{${many(99_000, n => `"${n}":"${'x'.repeat(20)}"`)},"0":0}`)),
  'manifest: 5,000 layers, stored': () => putEach({ layers: many(5000, n => descriptor(n)) }),
  'manifest: 50,000 annotations, stored': () =>
    putEach({ layers: many(49, n => ({ ...descriptor(n), annotations: annotations(1000) })) }),
  'manifest: 4 MiB of data, stored': () =>
    putEach({ layers: [{ ...descriptor(1), data: '\\"'.repeat(MIB - 1024) }] }),
  'manifest: 256 KiB of annotations and a subject, stored': () =>
    putEach({
      subject: { ...descriptor(1), mediaType: OCI_MANIFEST },
      annotations: { n: '########', a: '"'.repeat(MIB / 8 - 100) },
    }),
  'manifest: pushed and deleted, 5,000 layers': () => {
    const body = image({ layers: many(5000, n => descriptor(n)) })
    const path = `/v2/hostile/manifests/${digestOf(body)}`
    return n => (n % 2 === 0 ? { method: 'PUT', path, type: OCI_MANIFEST, body } : { method: 'DELETE', path })
  },
  'manifest: 2,500 tags in a query': () => {
    const body = image({})
    const query = many(2500, n => `tag=a${n % 10}`).join('&')
    return () => ({
      method: 'PUT',
      path: `/v2/hostile/manifests/${digestOf(body)}?${query}`,
      type: OCI_MANIFEST,
      body,
    })
  },
  'manifest: 500 tags in a query': () => {
    const body = image({})
    return n => {
      const query = many(500, i => `tag=a${n}-${i}`).join('&')
      return {
        method: 'PUT',
        path: `/v2/hostile/manifests/${digestOf(body)}?${query}`,
        type: OCI_MANIFEST,
        body,
      }
    }
  },
  'GET of a manifest of 4 MiB, another query each time': () => get(n => `/v2/many/manifests/${HUGE}?x=${n}`),
  'GET of referrers with large annotations': () => get(n => `/v2/many/referrers/${SUBJECT}?x=${n}`),
  'GET of 1,000 tags': () => get(n => `/v2/many/tags/list?x=${n}`),
  'GET /plugins, another query each time': () => get(n => `/plugins?${n}`),
  'GET of a plugin, all builds skipped': () => get(n => `/plugins/${BUILDS_OF}?skip=${4_000_000_000 + n}`),
  'GET of builds by one digit of the digest': () =>
    get(n => `/plugins/${BUILDS_OF}?version=${n % 10}&skip=1000000`),
  'GET of compatible builds, all skipped': () =>
    get(n => `/plugins/${BUILDS_OF}/compatible?skip=${4_000_000_000 + (n % 1000)}`),
  'GET /token with 2,000 scopes': () =>
    get(() => `/token?${many(1500, () => 'scope=a:b:*')}`.replaceAll(',', '&')),
  'GET /token with 64 scopes': () =>
    get(n => `/token?scope=${many(64, i => `repository:a${i}/${n % 10}:pull,push`).join('%20')}`),
  'GET with 15 KiB of parameters': () => get(n => `/v2/many/tags/list?${'a&'.repeat(7500)}n=${n % 9}`),
  'GET of a path of 7,000 segments': () => get(() => `/v2/${'a/'.repeat(7000)}tags/list`),
}

import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { run } from '../support/process.ts'
import { Client, type Headers } from './client.ts'
import { type Content, REFERRERS, REPOSITORY, SMALL_REPOSITORY, TAGS } from './content.ts'
import { figureOf } from './figure.ts'
import { DISK, KOA, NGINX, OURS, type Peer, REGISTRY_NAMES } from './peers.ts'
import { loadBlobs, loadManifests } from './push-load.ts'
import { reading, type Work } from './work.ts'
import type { Count } from './wrk.ts'

const OTHERS = REGISTRY_NAMES.filter(name => name !== OURS)
/** Distribution sends no OCI manifest to who does not say so. */
const ACCEPT = { accept: `${OCI_MANIFEST}, ${OCI_INDEX}` }

/** What registries do, and koa and nginx where they can. */
export function registryWorks(content: Content): Work[] {
  const { manifestDigest, blobDigest, largeBlobDigest } = content
  const isManifest = (body: Buffer) => digestOf(body) === manifestDigest
  const manifest = {
    connections: 16,
    headers: async () => ACCEPT,
    isRight: isManifest,
    by: [...REGISTRY_NAMES, KOA],
    aims: [
      { against: OTHERS, least: 5 },
      { against: [KOA], least: 0.8 },
    ],
  }
  const app = `/v2/${REPOSITORY}`
  return [
    reading({ ...manifest, title: 'manifest GET by tag, c16', path: `${app}/manifests/v150` }),
    reading({
      ...manifest,
      title: 'manifest GET by digest, c16',
      path: `${app}/manifests/${manifestDigest}`,
    }),
    reading({
      ...manifest,
      title: 'manifest GET in a repository of one tag, c16',
      path: `/v2/${SMALL_REPOSITORY}/manifests/v1`,
    }),
    reading({
      ...manifest,
      title: 'manifest GET with an anonymous token, c16',
      path: `${app}/manifests/v150`,
      by: [OURS, KOA],
      aims: [{ against: [KOA], least: 0.8 }],
      headers: pullToken,
    }),
    reading({
      title: 'blob GET 2 MiB, c8',
      connections: 8,
      path: `${app}/blobs/${blobDigest}`,
      isRight: body => digestOf(body) === blobDigest,
      by: [...REGISTRY_NAMES, NGINX],
      aims: [{ against: [NGINX], least: 1.3 }],
    }),
    reading({
      title: 'blob GET 200 MiB, c4',
      unit: 'MB/s',
      connections: 4,
      path: `${app}/blobs/${largeBlobDigest}`,
      isRight: body => digestOf(body) === largeBlobDigest,
      by: [...REGISTRY_NAMES, NGINX],
      aims: [{ against: [...OTHERS, NGINX], least: 1 }],
    }),
    reading({
      title: `tags list, ${TAGS} tags, c16`,
      connections: 16,
      path: `${app}/tags/list`,
      isRight: body => JSON.parse(body.toString()).tags.length === TAGS,
      by: REGISTRY_NAMES,
      aims: [{ against: OTHERS, least: 5 }],
    }),
    reading({
      title: `referrers of ${REFERRERS}, c16`,
      connections: 16,
      path: `${app}/referrers/${manifestDigest}`,
      isRight: body => JSON.parse(body.toString()).manifests.length === REFERRERS,
      // Distribution has no such endpoint.
      by: REGISTRY_NAMES.filter(name => name !== 'distribution'),
      aims: [{ against: OTHERS, least: 5 }],
    }),
    pushing('blob push 2 MiB, c8', [...REGISTRY_NAMES, DISK], 1, loadBlobs),
    pushing('blob push 2 MiB, c8, until all is on the disk', [...REGISTRY_NAMES, DISK], 1, synced(loadBlobs)),
    pushing('manifest push, c8', REGISTRY_NAMES, 2, loadManifests),
  ]
}

type Load = (peer: Peer, repository: string, seconds: number) => Promise<Count>

/** Counts the time as well that the kernel takes to write what the server left to it. */
function synced(load: Load): Load {
  return async (peer, repository, seconds) => {
    const count = await load(peer, repository, seconds)
    const begun = performance.now()
    await run('sync', [])
    return { ...count, seconds: count.seconds + (performance.now() - begun) / 1000 }
  }
}

/** Into a new repository each time. */
function pushing(title: string, by: readonly string[], least: number, load: Load): Work {
  let pushes = 0
  return {
    title,
    unit: 'req/s',
    by,
    aims: [{ against: OTHERS, least }],
    measure: async (peer, seconds) => {
      // What another one has left to the kernel to write is not to be paid for by who syncs.
      await run('sync', [])
      return await figureOf(peer, 'req/s', () => load(peer, `bench/push${pushes++}`, seconds))
    },
  }
}

/** What docker and its kin send who have not logged in; a new one each time, they expire. */
async function pullToken({ name, service }: Peer): Promise<Headers> {
  if (name !== OURS) return ACCEPT
  const client = new Client(service.url)
  try {
    const { headers } = await client.expect(401, 'GET', '/v2/')
    const [, realm = ''] = /realm="([^"]+)"/.exec(headers['www-authenticate'] ?? '') ?? []
    const { body } = await client.expect(200, 'GET', `${realm}?scope=repository:${REPOSITORY}:pull`)
    return { ...ACCEPT, authorization: `Bearer ${JSON.parse(body.toString()).token}` }
  } finally {
    client.close()
  }
}

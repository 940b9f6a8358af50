// Does garbage collection take anything that is needed, and leave anything that is not?
//
//   npm run build && tsx conformance/crash/soak.ts [--minutes N] [--clients N] [--seed N]
//
// Starts the registry with a collection every second and a grace period of two, and lets clients push, mount, pull,
// attach and delete the same blobs all the time. All that was acknowledged must be there at every moment, and in the
// end nothing else may be left on the disk. The exit code is 1 where that does not hold.
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Server, startServer } from '../support/server.ts'
import { SoakClient, type World } from './soak-client.ts'
import { PluginClient } from './soak-plugins.ts'
import { contentOf, SoakRegistry, TOKEN } from './soak-registry.ts'
import { SoakTally } from './soak-tally.ts'

const GRACE = 2000
/** How long what nobody needs may last: two grace periods, the row's and the upload's, and the passes between. */
const PATIENCE = 30_000

const PLURALS: Record<string, string> = {
  index: 'composed indexes',
  repository: 'repositories',
  link: 'links',
  blob: 'blobs',
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    clients: { type: 'string', default: '8' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})
const seconds = Number(values.minutes) * 60
const folder = await mkdtemp(join(tmpdir(), 'soak-'))
const server = await startServer(folder, {
  MEMFLOW_BEARER_TOKEN: TOKEN,
  MEMFLOW_GC_EVERY: '1s',
  MEMFLOW_GC_GRACE: `${GRACE / 1000}s`,
  MEMFLOW_UPLOAD_TTL: '4s',
  MEMFLOW_MIN_FREE_SPACE: '0',
})
const tally = new SoakTally()
const world: World = {
  registry: new SoakRegistry(server.url),
  tally,
  grace: GRACE,
  repositories: ['one', 'two', 'three/deep', 'four'],
  contents: Array.from({ length: 24 }, (_, i) =>
    contentOf(Buffer.alloc(1 + ((i * 7919) % 200_000), `content ${i}`)),
  ),
  random: randomFrom(Number(values.seed)),
}
try {
  console.log(`soak of ${seconds} s, ${values.clients} clients and one with plugins, --seed ${values.seed}`)
  const plugins = new PluginClient(world)
  const clients = Array.from({ length: Number(values.clients) }, (_, i) => new SoakClient(world, `c${i}`))
  const all = [...clients, plugins]
  const until = Date.now() + seconds * 1000
  await Promise.all(all.map(client => client.live(until)))

  await Promise.all(all.map(client => client.check()))
  for (const client of clients) await client.shrink(5)
  await assertLeft(server, clients, await plugins.blobs())
  await Promise.all(all.map(client => client.check()))
  for (const client of clients) await client.shrink(0)
  await plugins.deleteAll()
  await assertLeft(server, clients, [])
  const catalog = await world.registry.get('/v2/_catalog')
  tally.check(catalog.bytes.toString() === '{"repositories":[]}', `the catalog is ${catalog.bytes}`)
  report()
} finally {
  await server.stop()
  await rm(folder, { recursive: true })
}
process.exitCode = tally.failed > 0 ? 1 : 0

/** Waits until the disk has the blobs that manifests need, and nothing else. */
async function assertLeft(
  { storage }: Server,
  clients: readonly SoakClient[],
  more: readonly string[],
): Promise<void> {
  const needed = new Set([
    ...clients.flatMap(({ artifacts }) =>
      artifacts.flatMap(({ blobs }) => blobs.map(({ digest }) => digest)),
    ),
    ...more,
  ])
  const end = Date.now() + PATIENCE
  let left: string[] = []
  let uploads: string[] = []
  do {
    await sleep(500)
    left = await stored(storage)
    uploads = await readdir(join(storage, 'uploads'))
  } while ((left.length > needed.size || uploads.length > 0) && Date.now() < end)
  const missing = [...needed].filter(digest => !left.includes(digest))
  const extra = left.filter(digest => !needed.has(digest))
  tally.check(missing.length === 0, `dangling: ${missing.length} blobs that are needed are not on the disk`)
  tally.check(extra.length === 0, `left over: ${extra.length} blobs, such as ${extra[0]}`)
  tally.check(uploads.length === 0, `left over: ${uploads.length} uploads`)
}

async function stored(storage: string): Promise<string[]> {
  const digests: string[] = []
  for (const algorithm of ['sha256', 'sha512']) {
    const files = await readdir(join(storage, 'blobs', algorithm), { recursive: true })
    for (const file of files) {
      const [, hex] = file.split('/')
      if (hex) digests.push(`${algorithm}:${hex}`)
    }
  }
  return digests
}

interface Collection {
  readonly gone?: Record<string, number>
  readonly bytes?: number
  readonly uploads: number
}

/** The server's log tells what was collected. */
function report(): void {
  const lines = server.log().split('\n')
  let passes = 0
  for (const line of lines) {
    if (/"level":(?:50|60)/.test(line)) tally.check(false, `the server says ${line.slice(0, 300)}`)
    // Abandoned uploads are also looked for by themselves.
    if (!/"(?:garbage was collected|abandoned uploads expired)"/.test(line)) continue
    const { gone, bytes = 0, uploads } = JSON.parse(line) as Collection
    tally.count('collected: uploads', uploads)
    if (!gone) continue
    passes++
    for (const [kind, n] of Object.entries(gone)) tally.count(`collected: ${PLURALS[kind]}`, n)
    tally.count('collected: bytes', bytes)
  }
  tally.count('collections', passes)
  tally.check(passes > 0, 'garbage was never collected')
  tally.count('MANIFEST_BLOB_UNKNOWN in the grace period', tally.faults('MANIFEST_BLOB_UNKNOWN'))
  tally.count('dangling', tally.faults('dangling'))
  tally.count('left over', tally.faults('left over'))
  tally.print()
}

/** mulberry32: the same choices for the same seed, as far as the clients' turns are the same. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

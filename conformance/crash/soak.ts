// Does garbage collection take anything that is needed, and leave anything that is not?
//
//   npm run build && tsx conformance/crash/soak.ts [--minutes N] [--clients N] [--seed N]
//
// Starts the registry with a collection every second and a grace period of two, and lets clients push, mount, pull,
// attach and delete the same blobs all the time. All that was acknowledged must be there at every moment, and in the
// end nothing else may be left on the disk. The exit code is 1 where that does not hold.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Random } from '../support/random.ts'
import { type Server, startServer } from '../support/server.ts'
import { checkLeft } from './disk.ts'
import { contentOf, RegistryClient } from './registry-client.ts'
import { SoakClient, type World } from './soak-client.ts'
import { PluginClient } from './soak-plugins.ts'
import { Tally } from './tally.ts'

const GRACE = 2000
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
  MEMFLOW_GC_EVERY: '1s',
  MEMFLOW_GC_GRACE: `${GRACE / 1000}s`,
  MEMFLOW_UPLOAD_TTL: '4s',
  MEMFLOW_MIN_FREE_SPACE: '0',
})
const tally = new Tally()
const world: World = {
  registry: new RegistryClient(server.url),
  tally,
  grace: GRACE,
  repositories: ['one', 'two', 'three/deep', 'four'],
  contents: Array.from({ length: 24 }, (_, i) =>
    contentOf(Buffer.alloc(1 + ((i * 7919) % 200_000), `content ${i}`)),
  ),
  random: new Random(Number(values.seed), 0),
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
function assertLeft(
  { storage }: Server,
  clients: readonly SoakClient[],
  more: readonly string[],
): Promise<void> {
  const pushed = clients.flatMap(({ artifacts }) =>
    artifacts.flatMap(({ blobs }) => blobs.map(({ digest }) => digest)),
  )
  return checkLeft(storage, new Set([...pushed, ...more]), tally)
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
    if (/"level":"(?:error|fatal)"/.test(line)) tally.check(false, `the server says ${line.slice(0, 300)}`)
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

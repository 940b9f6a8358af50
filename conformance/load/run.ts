// Do others wait while a costly plugin is examined?
//
//   npm run build && tsx conformance/load/run.ts [--seconds N] [--guard MILLISECONDS]
//
// Starts the registry and reads from it without a pause, first alone, then while curl uploads files of 20 MiB that are
// made to cost as much as they can, over the REST API and as OCI artifacts. The exit code is 1 where the 99th percentile
// of the readers' latency is over the guard. Figures mean something on a machine that does nothing else.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { Agent, get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { COSTLY } from '../../spec/support/hostile.ts'
import { COSTLY_FACTS } from '../../spec/support/hostile-facts.ts'
import { EMPTY } from '../../spec/support/oci.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { PLUGIN_BINARY } from '../../src/oci/plugin-artifact.ts'
import { fixture } from '../support/fixtures.ts'
import { run } from '../support/process.ts'
import { type Server, startServer, TOKEN } from '../support/server.ts'

/** DER of r = 1 and s = 1: where no key is known, nobody looks further. */
const SIGNATURE = '3006020101020101'
const READERS = 4
const PATHS = ['/plugins/coredump', '/plugins', '/v2/coredump/manifests/latest', '/health']

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '10' }, guard: { type: 'string', default: '20' } },
})
const seconds = Number(values.seconds)
const folder = await mkdtemp(join(tmpdir(), 'load-'))
const server = await startServer(folder, {
  // The form around the file counts, too.
  MEMFLOW_MAX_PLUGIN_SIZE: '21MiB',
})
try {
  const worst = await measure(server)
  if (worst > Number(values.guard)) {
    console.error(`FAILED: the 99th percentile is over ${values.guard} ms`)
    process.exitCode = 1
  }
} finally {
  await server.stop()
  await rm(folder, { recursive: true })
}

/** The highest 99th percentile while something is uploaded. */
async function measure({ url }: Server): Promise<number> {
  const { file } = fixture('libmemflow_coredump-0.2.0.x86_64.so')
  await publish(url, file, 200)
  console.log(`milliseconds of ${READERS} readers            requests     p50     p99     max`)
  await latencies(url, 'alone', () => sleep(seconds * 1000))
  const files: string[] = []
  for (const [i, make] of Object.values({ ...COSTLY, ...COSTLY_FACTS }).entries()) {
    const path = join(folder, `costly-${i}`)
    await writeFile(path, make())
    files.push(path)
  }
  const plain = join(folder, 'plain')
  await writeFile(plain, Buffer.alloc(20 * 2 ** 20 - 4096, 'plain text '))
  const end = () => performance.now() + seconds * 1000
  await latencies(url, 'while blobs of 20 MiB arrive, no plugins', async () => {
    for (const until = end(); performance.now() < until; ) await pushBlob(url, plain)
  })
  const rest = await latencies(url, 'while POST /files examines costly files', async () => {
    for (let i = 0, until = end(); performance.now() < until; i++)
      await publish(url, files[i % files.length] ?? '', undefined)
  })
  const empty = join(folder, 'empty')
  await writeFile(empty, '{}')
  await pushBlob(url, empty)
  const layers: object[] = []
  for (const path of files) layers.push(await pushBlob(url, path))
  const oci = await latencies(url, 'while manifests of costly layers are put', async () => {
    for (let i = 0, until = end(); performance.now() < until; i++)
      await pushManifest(url, layers[i % layers.length] ?? {})
  })
  return Math.max(rest, oci)
}

/** Reads while the work goes on, prints a line and answers the 99th percentile. */
async function latencies(url: string, title: string, work: () => Promise<void>): Promise<number> {
  const agent = new Agent({ keepAlive: true })
  const times: number[] = []
  let reading = true
  const readers = Array.from({ length: READERS }, async (_, i) => {
    for (let n = i; reading; n++) {
      const start = performance.now()
      await read(agent, `${url}${PATHS[n % PATHS.length]}`)
      times.push(performance.now() - start)
      // A client that only reads takes a processor for itself.
      await sleep(1)
    }
  })
  await work()
  reading = false
  await Promise.all(readers)
  agent.destroy()
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0
  const figures = [at(0.5), at(0.99), at(1)].map(time => time.toFixed(1).padStart(7)).join(' ')
  console.log(`${title.padEnd(42)} ${String(times.length).padStart(7)} ${figures}`)
  return at(0.99)
}

function read(agent: Agent, url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, response => {
      if (response.statusCode !== 200) reject(new Error(`${url}: ${response.statusCode}`))
      response.resume().on('end', resolve).on('error', reject)
    }).on('error', reject)
  })
}

async function publish(url: string, file: string, expected: number | undefined): Promise<void> {
  await curl(expected, '-F', `file=@${file}`, '-F', `signature=${SIGNATURE}`, `${url}/files`)
}

async function pushBlob(url: string, file: string): Promise<object> {
  const bytes = await readFile(file)
  const digest = digestOf(bytes)
  const uploads = `${url}/v2/costly/blobs/uploads/?digest=${digest}`
  const type = 'Content-Type: application/octet-stream'
  await curl(201, '-X', 'POST', '-H', type, '-H', 'Expect:', '--data-binary', `@${file}`, uploads)
  return { mediaType: PLUGIN_BINARY, digest, size: bytes.length }
}

async function pushManifest(url: string, layer: object): Promise<void> {
  const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: EMPTY, layers: [layer] }
  const file = join(folder, 'manifest')
  await writeFile(file, JSON.stringify(document))
  const type = `Content-Type: ${OCI_MANIFEST}`
  await curl(undefined, '-X', 'PUT', '-H', type, '--data-binary', `@${file}`, `${url}/v2/costly/manifests/v1`)
}

/** In a process of its own, so that sending does not hold up the readers here. */
async function curl(expected: number | undefined, ...args: string[]): Promise<void> {
  const options = ['-s', '-o', '/dev/null', '-w', '%{http_code}', '-H', `Authorization: Bearer ${TOKEN}`]
  const { stdout, stderr } = await run('curl', [...options, ...args])
  const status = Number(stdout.toString())
  if (expected === undefined ? status < 200 || status >= 500 : status !== expected)
    throw new Error(`curl ${args.at(-1)}: ${status} ${stderr}`)
}

function sleep(time: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, time))
}

// What a mirror costs, and what it saves.
//
//   npm run mirror:figures [-- --rounds N]
//
// An upstream of the project's own counts what it is asked, and sends as fast or as slowly as it is told to. Clients
// pull from it and through mirrors of it, taking turns. Beside this registry distribution is measured where it is on
// PATH or in the folder CLIENTS_BIN. Figures mean something on a machine that does nothing else.
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { FaultyUpstream } from '../../spec/support/faulty-upstream.ts'
import { putArtifact } from '../../spec/support/mirror.ts'
import { type Fault, send, trickle } from '../../spec/support/upstream/faults.ts'
import { median } from '../bench/figure.ts'
import { forgetPeak, peakBytes, processorSeconds, residentBytes } from '../bench/usage.ts'
import { type Contender, startContenders } from './contenders.ts'
import { transfers } from './transfer.ts'

const MB = 1_000_000
const CLIENTS = 50
const SHARED = 60 * MB
const LARGE = 200 * MB
/** Bytes a second. */
const SLOW = 10 * MB
const GIGABIT = 125 * MB

const unthrottled: Fault = exchange => send(exchange, exchange.answer)

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } })
const folder = await mkdtemp(join(tmpdir(), 'figures-'))
const upstream = await FaultyUpstream.start()
const contenders: Contender[] = []
try {
  contenders.push(...(await startContenders(folder, upstream.url)))
  for (const contender of contenders) await measure(contender)
} finally {
  for (const contender of contenders) await contender.service.stop()
  await upstream.stop()
  await rm(folder, { recursive: true, force: true })
}

async function measure(contender: Contender): Promise<void> {
  console.log(`\n${contender.name}`)
  // A first pull is not like others: programs warm up.
  await pull(contender, stock(MB))
  await shared(contender)
  await overhead(contender, 'unthrottled', unthrottled)
  await overhead(contender, '1 Gbit/s', trickle(GIGABIT))
  await warm(contender)
}

/** Many clients of one blob under a slow upstream. */
async function shared(contender: Contender): Promise<void> {
  const { url, pid } = contender.service
  upstream.fail('blob', trickle(SLOW))
  const [alone] = await pull(contender, stock(SHARED / 4))
  print('first byte, one client', seconds(alone?.first), `of ${seconds(alone?.whole)}`)
  const path = stock(SHARED)
  forgetPeak(pid)
  const before = residentBytes(pid)
  upstream.requests.length = 0
  const all = await transfers(url + path, CLIENTS)
  const firsts = all.map(({ first }) => first)
  const whole = seconds(Math.max(...all.map(transfer => transfer.whole)))
  print(
    'first byte, 50 clients',
    seconds(Math.max(...firsts)),
    `at worst, ${seconds(median(firsts))} in the middle, of ${whole}`,
  )
  print('transfers for 50 clients of 60 MB', String(upstream.count('blob', 'GET')))
  print('memory that 50 clients cost', `${((peakBytes(pid) - before) / MB).toFixed(0)} MB`)
}

/** A cold pull beside a direct one. */
async function overhead(contender: Contender, title: string, fault: Fault): Promise<void> {
  const ratios: number[] = []
  const costs: number[] = []
  upstream.fail('blob', fault)
  for (let round = 0; round < Number(values.rounds); round++) {
    const path = stock(LARGE)
    const [direct] = await transfers(upstream.url + path)
    const before = processorSeconds(contender.service.pid) ?? 0
    const [cold] = await pull(contender, path)
    costs.push(((processorSeconds(contender.service.pid) ?? 0) - before) / (LARGE / 1e9))
    ratios.push((cold?.whole ?? 0) / (direct?.whole ?? 0))
  }
  const spread = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`
  const cost = `${median(costs).toFixed(1)} s of processor time a GB`
  print(`cold pull over a direct one, ${title}`, `${median(ratios).toFixed(2)} ×`, `${spread}; ${cost}`)
}

/** What the upstream is asked for a pull of what is here. */
async function warm(contender: Contender): Promise<void> {
  upstream.heal()
  const path = stock(MB)
  await pull(contender, path)
  upstream.requests.length = 0
  await pull(contender, path)
  print('requests to the upstream for a warm pull', String(upstream.requests.length))
}

/** A new blob in the one repository; the upstream keeps no others. Answers its path. */
function stock(size: number): string {
  upstream.content.blobs.clear()
  const { layer } = putArtifact(upstream, 'app', 'v1', randomBytes(size))
  return `/v2/app/blobs/${layer}`
}

/** Of the manifest by its tag, then of the blob. */
async function pull({ service: { url } }: Contender, path: string) {
  await transfers(`${url}/v2/app/manifests/v1`)
  return await transfers(url + path)
}

function seconds(value = 0): string {
  return `${value.toFixed(2)} s`
}

function print(title: string, value: string, more = ''): void {
  console.log(`  ${title.padEnd(46)} ${value.padStart(8)}  ${more}`)
}

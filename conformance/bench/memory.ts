import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { join } from 'node:path'
import { COSTLY } from '../../spec/support/hostile.ts'
import { COSTLY_FACTS } from '../../spec/support/hostile-facts.ts'
import { Hasher } from '../../src/oci/digest.ts'
import { examine } from '../../src/plugin/examine.ts'
import { fixture } from '../support/fixtures.ts'
import { Client } from './client.ts'
import { MIB } from './content.ts'
import { median } from './figure.ts'
import { pushTags, REPOSITORY, tagOf } from './growth-content.ts'
import { type Peer, startOurs } from './peers.ts'
import { pushBlob } from './push.ts'
import { forgetPeak, peakBytes, processorSeconds, residentBytes } from './usage.ts'
import { wrk } from './wrk.ts'

const MANIFESTS = 100_000
const READS = 1_000_000
const PULLS = 32
const SPARSE = { MEMFLOW_SPARSE_MANIFESTS: 'true' }

/** Something that must stay below a bound. */
export interface Bound {
  readonly title: string
  readonly value: number
  readonly most: number
  readonly unit: 'MB' | 's of processor time' | 'ms'
}

/** Memory and start with much stored, memory with large blobs, and how long plugins take to be examined. */
export async function measureMemory(folder: string): Promise<Bound[]> {
  const bounds: Bound[] = []
  const bound = (title: string, value: number, most: number, unit: Bound['unit'] = 'MB') => {
    bounds.push({ title, value, most, unit })
    console.log(`${title}: ${value.toFixed(2)} ${unit} (at most ${most})`)
  }
  await many(join(folder, 'many'), folder, bound)
  await large(join(folder, 'large'), bound)
  analysis(bound)
  return bounds
}

type Report = (title: string, value: number, most: number, unit?: Bound['unit']) => void

async function many(folder: string, work: string, report: Report): Promise<void> {
  let peer = await startOurs(folder, SPARSE)
  try {
    await pushTags(peer, MANIFESTS)
    report('resident with 100,000 manifests, just pushed', megabytes(residentBytes(peer.service.pid)), 150)
    await peer.service.stop()
    peer = await startOurs(folder, SPARSE)
    report(
      'start to the first answer with 100,000 manifests',
      processorSeconds(peer.service.pid) ?? 0,
      0.5,
      's of processor time',
    )
    report('resident after that start', megabytes(residentBytes(peer.service.pid)), 150)
    const paths = join(work, 'paths')
    const line = (_: unknown, n: number) => `/v2/${REPOSITORY}/manifests/${tagOf(n)}?u=\n`
    await writeFile(paths, Array.from({ length: MANIFESTS }, line).join(''))
    for (let done = 0; done < READS; ) {
      done += (await wrk(peer.service.url, { connections: 16, seconds: 20, env: { WRK_PATHS: paths } }))
        .requests
    }
    report('resident after a million reads', megabytes(residentBytes(peer.service.pid)), 150)
  } finally {
    await peer.service.stop()
  }
}

async function large(folder: string, report: Report): Promise<void> {
  let peer = await startOurs(folder)
  try {
    let digest = ''
    const pushed = await riseOf(peer, async () => {
      digest = await pushLarge(peer, 1024)
    })
    report('peak rise while 1 GiB is pushed', pushed, 64)
    const path = `/v2/bench/large/blobs/${digest}`
    report('peak rise while 1 GiB is pulled', await riseOf(peer, () => drain(peer.service.url + path)), 64)
    const digests = [await pushLarge(peer, 96), await pushLarge(peer, 96), await pushLarge(peer, 96)]
    const pullAll = async () => {
      const urls = Array.from({ length: PULLS }, (_, n) => {
        return `${peer.service.url}/v2/bench/large/blobs/${digests[n % digests.length]}`
      })
      await Promise.all(urls.map(drain))
    }
    await peer.service.stop()
    peer = await startOurs(folder)
    report(
      `peak rise with ${PULLS} pulls of 100 MB at once, first after a start`,
      await riseOf(peer, pullAll),
      128,
    )
    report(`peak rise with ${PULLS} pulls of 100 MB at once, again`, await riseOf(peer, pullAll), 128)
  } finally {
    await peer.service.stop()
  }
}

function analysis(report: Report): void {
  const { bytes } = fixture('libmemflow_facts-glibc.x86_64.so')
  const milliseconds = (file: Uint8Array) => {
    const times = Array.from({ length: 5 }, () => {
      const began = performance.now()
      try {
        examine(file)
      } catch {
        // Most of the costly ones are no plugins.
      }
      return performance.now() - began
    })
    return median(times)
  }
  const padded = (size: number) => Buffer.concat([bytes, Buffer.alloc(size - bytes.length, 'plain text ')])
  report('analysis of a plugin of 2 MB', milliseconds(padded(2e6)), 15, 'ms')
  report('analysis of a plugin of 20 MB', milliseconds(padded(20e6)), 150, 'ms')
  const costly = Object.values({ ...COSTLY, ...COSTLY_FACTS }).map(make => milliseconds(make()))
  report(
    `analysis of the costliest of ${costly.length} files of 20 MiB, with up to a million symbols`,
    Math.max(...costly),
    150,
    'ms',
  )
}

/** Of so many MiB; answers its digest. */
async function pushLarge({ service, headers }: Peer, mebibytes: number): Promise<string> {
  const parts: Buffer[] = Array(mebibytes - 1).fill(randomBytes(MIB))
  parts.push(randomBytes(MIB))
  const hasher = new Hasher()
  for (const part of parts) hasher.update(part)
  const client = new Client(service.url, 1, headers)
  try {
    await pushBlob(client, 'bench/large', parts, hasher.digest())
  } finally {
    client.close()
  }
  return hasher.digest()
}

/** GET, without keeping the bytes. */
function drain(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    get(url, response => {
      if (response.statusCode !== 200) reject(new Error(`${url}: ${response.statusCode}`))
      response.resume().on('end', resolve).on('error', reject)
    }).on('error', reject)
  })
}

/** By how many MB the peak rises above what is resident before. */
async function riseOf({ service }: Peer, work: () => Promise<void>): Promise<number> {
  forgetPeak(service.pid)
  const before = residentBytes(service.pid)
  await work()
  return megabytes(peakBytes(service.pid) - before)
}

function megabytes(bytes: number): number {
  return bytes / 1e6
}

import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { FaultyUpstream } from '../../spec/support/faulty-upstream.ts'
import { until } from '../../spec/support/until.ts'
import { trickle } from '../../spec/support/upstream/faults.ts'
import { forgetPeak, peakBytes, residentBytes } from '../bench/usage.ts'
import type { Server } from '../support/server.ts'
import { Reader } from './reader.ts'
import { startMirror } from './start.ts'
import { blobsIn, litterIn } from './storage.ts'

const CLIENTS = 50
const MB = 1_000_000

/** What clients that read along take of memory, at most: about two chunks of 1 MiB each, and what the system holds. */
const MOST_MEMORY = CLIENTS * 4 * MB

describe('streams', () => {
  let folder = ''
  let upstream: FaultyUpstream
  let mirror: Server

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mirror-'))
    upstream = await FaultyUpstream.start()
    mirror = await startMirror(folder, [{ name: 'up', url: upstream.url, prefix: 'up' }])
  })

  after(async () => {
    await mirror?.stop()
    await upstream?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  /** A blob that the upstream has, and the mirror has not, sent at so many bytes a second. */
  function stock(size: number, rate: number): { url: string; bytes: Buffer; digest: string } {
    const bytes = randomBytes(size)
    const digest = upstream.content.blob(bytes)
    upstream.requests.length = 0
    upstream.fail('blob', trickle(rate))
    return { url: `${mirror.url}/v2/up/app/blobs/${digest}`, bytes, digest }
  }

  it('50 clients of a blob of 60 MB -> one transfer, from the first byte on, with little memory', async () => {
    const { url, bytes, digest } = stock(60 * MB, 12 * MB)
    forgetPeak(mirror.pid)
    const before = residentBytes(mirror.pid)
    const readers = Array.from({ length: CLIENTS }, () => new Reader(url, bytes))
    await Promise.all(readers.map(({ first }) => first))
    // All of them have their first byte before one of them has its last.
    for (const { received } of readers) expect(received).to.be.below(bytes.length)
    await Promise.all(readers.map(({ done }) => done))
    expect(upstream.requests).to.have.length(1)
    expect(peakBytes(mirror.pid) - before).to.be.below(MOST_MEMORY)
    // It is kept behind the last byte.
    expect(await litterIn(mirror.storage)).to.deep.equal([])
    expect(await blobsIn(mirror.storage)).to.include(digest)
    await new Reader(url, bytes).done
    expect(upstream.requests).to.have.length(1)
  })

  it('the client that began it leaves -> it goes on for another', async () => {
    const { url, bytes } = stock(4 * MB, 4 * MB)
    const leaving = new Reader(url, bytes)
    await leaving.first
    const staying = new Reader(url, bytes)
    await staying.first
    leaving.leave()
    await staying.done
    expect(upstream.requests).to.have.length(1)
  })

  it('nearly done when all clients leave -> it goes on, and the next one has it without the upstream', async () => {
    const { url, bytes, digest } = stock(2 * MB, 4 * MB)
    const leaving = new Reader(url, bytes)
    await leaving.first
    leaving.leave()
    await until(async () => (await blobsIn(mirror.storage)).includes(digest))
    upstream.requests.length = 0
    await new Reader(url, bytes).done
    expect(upstream.requests).to.have.length(0)
  })

  it('a range of what has come -> comes before the rest', async () => {
    const { url, bytes } = stock(4 * MB, 2 * MB)
    const whole = new Reader(url, bytes)
    await until(() => whole.received >= 1_000_000)
    const range = new Reader(url, bytes.subarray(1000, 500_000), { range: 'bytes=1000-499999' })
    await range.first
    // Its last byte comes when the whole is known to be right.
    await until(() => range.received >= 498_999)
    expect(range.status).to.equal(206)
    expect(whole.received).to.be.below(bytes.length)
    await Promise.all([whole.done, range.done])
    expect(upstream.requests).to.have.length(1)
  })

  it('a client that does not read -> does not hold up others, and has all when it reads', async () => {
    const { url, bytes } = stock(30 * MB, 60 * MB)
    const slow = new Reader(url, bytes, { paused: true })
    await Promise.all([1, 2, 3].map(() => new Reader(url, bytes).done))
    expect(slow.received).to.be.below(bytes.length / 2)
    slow.resume()
    await slow.done
    expect(upstream.requests).to.have.length(1)
  })
})

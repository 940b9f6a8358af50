import { randomBytes } from 'node:crypto'
import { readdirSync, readlinkSync } from 'node:fs'
import { Readable } from 'node:stream'
import { expect } from 'chai'
import Koa from 'koa'
import { renderErrors } from '../../src/http/errors.ts'
import { sendContent } from '../../src/http/send-content.ts'
import { transfers } from '../../src/http/transfers.ts'
import { createLogger } from '../../src/log.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import type { BlobHandle, ByteRange } from '../../src/store/contract.ts'
import { type Answer, ask, Wire } from '../support/ask.ts'
import { FaultyUpstream } from '../support/faulty-upstream.ts'
import { mirrorOf } from '../support/mirror.ts'
import { pushBlob } from '../support/oci.ts'
import { listen, serving, startRegistry } from '../support/server.ts'
import { until } from '../support/until.ts'
import { stalled } from '../support/upstream/faults.ts'

interface Part {
  readonly range: string
  readonly bytes: Buffer
}

/** Reads a multipart/byteranges body as RFC 9110, 14.6 and RFC 2046, 5.1.1 have it. */
function partsOf({ headers, bytes }: Answer): Part[] {
  const [, boundary = ''] =
    /^multipart\/byteranges; boundary=([\w-]{1,70})$/.exec(headers['content-type'] ?? '') ?? []
  expect(boundary).not.to.equal('')
  expect(headers['content-length']).to.equal(String(bytes.length))
  const text = bytes.toString('latin1')
  const pieces = text.split(`\r\n--${boundary}`)
  expect(pieces.shift()).to.equal('')
  expect(pieces.pop()).to.equal('--\r\n')
  return pieces.map(piece => {
    const end = piece.indexOf('\r\n\r\n')
    const head = piece.slice(0, end)
    expect(head).to.include('Content-Type: application/octet-stream')
    return {
      range: /^Content-Range: (.*)$/m.exec(head)?.[1] ?? '',
      bytes: Buffer.from(piece.slice(end + 4), 'latin1'),
    }
  })
}

function expectParts(answer: Answer, content: Buffer, ranges: readonly (readonly [number, number])[]): void {
  expect(answer.status, answer.text.slice(0, 200)).to.equal(206)
  expect(answer.headers).not.to.have.property('content-range')
  const expected = ranges.map(([start, end]) => ({
    range: `bytes ${start}-${end}/${content.length}`,
    bytes: content.subarray(start, end + 1),
  }))
  const parts = partsOf(answer)
  expect(parts.map(({ range }) => range)).to.deep.equal(expected.map(({ range }) => range))
  for (const [i, { bytes }] of parts.entries())
    expect(bytes.equals(expected[i]?.bytes as Buffer)).to.equal(true)
}

describe('http/byte-ranges', () => {
  const registry = serving()
  const get = (path: string, range: string, headers = {}) =>
    registry().ask('GET', path, { headers: { range, ...headers } })

  /** In memory; a file that is verified when it is opened; a file that is verified before a part of it is read. */
  for (const size of [1000, 100_000, 6_000_000]) {
    describe(`a blob of ${size} bytes`, () => {
      const content = randomBytes(size)
      let path: string

      before(async () => {
        path = `/v2/a/blobs/${(await pushBlob(registry(), 'a', content)).digest}`
      })

      it('several ranges come as parts, in the order of the request', async () => {
        const last = size - 1
        const answer = await get(path, `bytes=500-${size - 200}, 0-0,-1,1-2`)
        expectParts(answer, content, [
          [500, size - 200],
          [0, 0],
          [last, last],
          [1, 2],
        ])
        expect(answer.headers).to.include({
          'accept-ranges': 'bytes',
          'docker-content-digest': digestOf(content),
        })
      })

      it('one of several ranges that lies in the content comes alone', async () => {
        const answer = await get(path, `bytes=1-2,${size}-,${size + 5}-${size + 6}`)
        expect(answer.status).to.equal(206)
        expect(answer.headers).to.include({ 'content-range': `bytes 1-2/${size}`, 'content-length': '2' })
        expect(answer.bytes.equals(content.subarray(1, 3))).to.equal(true)
      })

      it('ranges that overlap, lie outside or are too many are refused with 416', async () => {
        const many = Array.from({ length: 1025 }, () => '0-0').join()
        for (const range of [
          'bytes=0-5,5-9',
          'bytes=0-5,0-5',
          `bytes=${size}-,${size + 1}-`,
          `bytes=${many}`,
        ]) {
          const { status, headers } = await get(path, range)
          expect(status, range.slice(0, 40)).to.equal(416)
          expect(headers['content-range']).to.equal(`bytes */${size}`)
        }
      })

      it('malformed ranges, HEAD and an If-Range of something else get the whole', async () => {
        expect((await get(path, 'bytes=0-1,x')).status).to.equal(200)
        expect((await get(path, 'bytes=0-1,3-4', { 'if-range': '"x"' })).status).to.equal(200)
        const head = await registry().ask('HEAD', path, { headers: { range: 'bytes=0-1,3-4' } })
        expect([head.status, head.headers['content-length']]).to.deep.equal([200, String(size)])
        expect((await get(path, 'bytes=0-1,3-4', { 'if-range': `"${digestOf(content)}"` })).status).to.equal(
          206,
        )
      })
    })
  }

  it('1,024 ranges, as podman asks for, come in one response without a warning', async () => {
    const warnings: Error[] = []
    const note = (warning: Error) => warnings.push(warning)
    process.on('warning', note)
    const content = randomBytes(5_000_000)
    const { digest } = await pushBlob(registry(), 'a', content)
    const ranges = Array.from({ length: 1024 }, (_, n) => [n * 4000, n * 4000 + 99] as const)
    const range = `bytes=${ranges.map(pair => pair.join('-')).join()}`
    expectParts(await get(`/v2/a/blobs/${digest}`, range), content, ranges)
    await new Promise(resolve => setImmediate(resolve))
    process.off('warning', note)
    expect(warnings).to.deep.equal([])
  })

  describe('with a handle that is watched', () => {
    const content = randomBytes(300_000)
    let server: Awaited<ReturnType<typeof listen>>
    let make: () => BlobHandle
    const events: string[] = []

    const watched = (read: (range?: ByteRange) => Readable, more: Partial<BlobHandle> = {}): BlobHandle => ({
      size: content.length,
      read: range => {
        events.push(`read ${range?.start}-${range?.end}`)
        return read(range).once('close', () => events.push('closed'))
      },
      close: async () => {
        events.push('handle closed')
      },
      ...more,
    })
    const part = (range?: ByteRange) =>
      Readable.from([content.subarray(range?.start ?? 0, (range?.end ?? content.length) + 1)])

    before(async () => {
      const app = new Koa()
      app.silent = true
      app.use(renderErrors(createLogger('off')))
      app.use(ctx =>
        sendContent(ctx, {
          digest: digestOf(content),
          size: content.length,
          open: async () => make(),
          check: async () => {},
        }),
      )
      server = await listen(app)
    })
    after(() => server.close())
    beforeEach(() => {
      events.length = 0
    })

    const ranges = { headers: { range: 'bytes=0-9,20-29' } }

    it('one handle is read part by part, and closed once at the end', async () => {
      make = () => watched(part)
      const answer = await ask(server.url, 'GET', '/', ranges)
      expectParts(answer, content, [
        [0, 9],
        [20, 29],
      ])
      await until(() => events.includes('handle closed'))
      expect(events).to.deep.equal(['read 0-9', 'closed', 'read 20-29', 'closed', 'handle closed'])
    })

    it('a part that fails cuts the connection, and the handle is closed after its stream', async () => {
      make = () =>
        watched(range =>
          range?.start === 0
            ? part(range)
            : new Readable({
                read() {
                  this.destroy(new Error('EIO'))
                },
              }),
        )
      const failed = await ask(server.url, 'GET', '/', ranges).catch((error: NodeJS.ErrnoException) => error)
      expect(failed).to.have.property('code', 'ECONNRESET')
      await until(() => events.includes('handle closed'))
      expect(events.slice(-3)).to.deep.equal(['read 20-29', 'closed', 'handle closed'])
      expect(transfers.bytes).to.equal(0)
    })

    it('what passes through from elsewhere is sent whole, because its parts would be a transfer each', async () => {
      make = () => watched(() => Readable.from([content]), { isTransfer: true })
      const answer = await ask(server.url, 'GET', '/', ranges)
      expect(answer.status).to.equal(200)
      expect(answer.headers['content-length']).to.equal(String(content.length))
      expect(answer.bytes.equals(content)).to.equal(true)
      expect(events.filter(event => event.startsWith('read'))).to.have.length(1)
    })
  })

  it('ranges of a blob that a mirror fetches meanwhile come as parts', async () => {
    const upstream = await FaultyUpstream.start()
    const content = randomBytes(3_000_000)
    const digest: Digest = upstream.content.blob(content)
    const mirror = await startRegistry({ policy: { mirrors: [mirrorOf(upstream.url)] } })
    for (let i = 0; i < 2; i++) {
      const answer = await mirror.ask('GET', `/v2/up/app/blobs/${digest}`, {
        headers: { range: 'bytes=2000000-2999999,5-9,100-1000000' },
      })
      expectParts(answer, content, [
        [2_000_000, 2_999_999],
        [5, 9],
        [100, 1_000_000],
      ])
    }
    await mirror.close()
    await upstream.stop()
  })

  it('a client that leaves between the ranges of a transfer leaves nothing behind', async () => {
    const upstream = await FaultyUpstream.start()
    upstream.fail('blob', stalled(100_000))
    const digest = upstream.content.blob(randomBytes(200_000))
    // A transfer that has no reader is given up at once, so what is staged goes with the last reader.
    const mirror = await startRegistry({
      policy: { mirrors: [mirrorOf(upstream.url, { idleTimeout: 60_000 })], mirrorFinish: 0 },
    })
    const wire = await Wire.open(mirror.url)
    wire.head(`GET /v2/up/app/blobs/${digest} HTTP/1.1`, 'Host: x', 'Range: bytes=0-9,20-50000')
    await wire.until(/Content-Range: bytes 0-9/)
    const open = () =>
      readdirSync('/proc/self/fd').filter(fd => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`).startsWith(`${mirror.storage}/uploads/`)
        } catch {
          return false
        }
      }).length
    expect(open()).to.equal(2)
    wire.cut()
    // One for the transfer, which may be paused, and none for its reader.
    await until(() => open() <= 1)
    await mirror.close()
    await upstream.stop()
  })
})

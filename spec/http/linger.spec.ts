import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { endWhileReceiving } from '../../src/http/linger.ts'
import { Wire } from '../support/ask.ts'
import { serving } from '../support/server.ts'

/** Milliseconds, longer than any spec takes. */
const NEVER_MS = 1_000_000

describe('http/linger', () => {
  const registry = serving()
  const servers: Server[] = []

  after(() => {
    for (const server of servers) {
      server.close()
      server.closeAllConnections()
    }
  })

  /** A server that refuses everything, and gives clients so many milliseconds to notice. */
  async function refusing(patienceMs: number): Promise<string> {
    const server = createServer((req, res) => {
      res.statusCode = 401
      res.setHeader('connection', 'close')
      void endWhileReceiving(req, res, 'refused', patienceMs)
    })
    servers.push(server.listen(0, '127.0.0.1'))
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  const unauthorized = (length: number) => [
    'POST /v2/a/blobs/uploads/?digest=x HTTP/1.1',
    'Host: x',
    `Content-Length: ${length}`,
  ]

  it('a client that sends all before it reads -> gets its answer, not a reset', async () => {
    const body = Buffer.alloc(8_000_000)
    const wire = await Wire.open(await refusing(NEVER_MS))
    wire.pause().head(...unauthorized(body.length))
    for (let at = 0; at < body.length; at += 500_000) await wire.sent(body.subarray(at, at + 500_000))
    wire.resume()
    expect(await wire.end()).to.match(/^HTTP\/1.1 401 Unauthorized\r\n[\s\S]*refused$/)
    expect(wire.failed).to.equal(undefined)
  })

  it('a client of the registry that sends all before it reads -> gets its answer, and the connection ends', async () => {
    const body = Buffer.alloc(1_000_000)
    const wire = await Wire.open(registry().url)
    wire
      .pause()
      .head(...unauthorized(body.length))
      .send(body)
      .resume()
    const received = await wire.end()
    expect(received).to.match(/^HTTP\/1.1 401 Unauthorized\r\n[\s\S]*"UNAUTHORIZED"/)
    expect(received).to.match(/\r\nConnection: close\r\n/)
  })

  it('a slow one -> has the answer while it still sends', async () => {
    const wire = await Wire.open(await refusing(NEVER_MS))
    wire.head(...unauthorized(1_000_000)).send(Buffer.alloc(10))
    await wire.until(/refused/)
    for (let i = 0; i < 5; i++) await wire.sent(Buffer.alloc(1000))
    expect(wire.failed).to.equal(undefined)
    wire.cut()
  })

  for (const [where, open] of [
    ['when its time is over', () => refusing(20)],
    ['by the registry too', async () => registry().url],
  ] as const) {
    it(`one that never ends -> is cut off ${where}`, async () => {
      const wire = await Wire.open(await open())
      wire.head(...unauthorized(1_000_000)).send('part')
      expect(await wire.end()).to.include('401 Unauthorized')
    })
  }

  it('one that waits for 100 Continue -> is closed at once', async () => {
    const wire = await Wire.open(registry().url)
    wire.head(...unauthorized(1_000_000), 'Expect: 100-continue')
    expect(await wire.end()).to.match(/^HTTP\/1.1 401 Unauthorized\r\n/)
  })

  it('one that has sent all -> keeps its connection', async () => {
    const wire = await Wire.open(registry().url)
    for (let i = 1; i <= 2; i++) {
      wire.head(
        'PUT /v2/a/manifests/v1 HTTP/1.1',
        'Host: x',
        'Authorization: Bearer secret',
        'Content-Length: 2',
      )
      wire.send('[]')
      await wire.until(new RegExp(`(400 Bad Request[\\s\\S]+){${i}}object`))
    }
    wire.cut()
  })

  it('one that leaves meanwhile -> harms nobody', async () => {
    for (let i = 0; i < 20; i++) {
      const wire = await Wire.open(registry().url)
      wire.head(...unauthorized(1_000_000)).send(Buffer.alloc(1000))
      if (i % 2 === 0) await wire.until(/401/)
      wire.cut()
    }
    expect((await registry().ask('GET', '/health')).text).to.equal('"Ok"')
  })
})

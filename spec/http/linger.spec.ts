import { expect } from 'chai'
import { Wire } from '../support/ask.ts'
import { serving } from '../support/server.ts'

describe('http/linger', () => {
  const registry = serving()
  const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

  const unauthorized = (length: number) => [
    'POST /v2/a/blobs/uploads/?digest=x HTTP/1.1',
    'Host: x',
    `Content-Length: ${length}`,
  ]

  it('a client that sends all before it reads -> gets its answer, not a reset', async () => {
    const body = Buffer.alloc(8_000_000)
    const wire = await Wire.open(registry().url)
    wire.pause().head(...unauthorized(body.length))
    for (let at = 0; at < body.length; at += 500_000) {
      wire.send(body.subarray(at, at + 500_000))
      await pause(5)
    }
    await pause(200)
    wire.resume()
    const received = await wire.end()
    expect(received).to.match(/^HTTP\/1.1 401 Unauthorized\r\n[\s\S]*"UNAUTHORIZED"/)
    expect(received).to.match(/\r\nConnection: close\r\n/)
    expect(wire.failed).to.equal(undefined)
  })

  it('a slow one -> has the answer while it still sends', async () => {
    const wire = await Wire.open(registry().url)
    wire.head(...unauthorized(1_000_000)).send(Buffer.alloc(10))
    await wire.until(/UNAUTHORIZED/)
    for (let i = 0; i < 5; i++) {
      await pause(20)
      wire.send(Buffer.alloc(1000))
    }
    await pause(50)
    expect(wire.failed).to.equal(undefined)
    wire.cut()
  })

  it('one that never ends -> is cut off after two seconds', async () => {
    const wire = await Wire.open(registry().url)
    const begun = Date.now()
    wire.head(...unauthorized(1_000_000)).send('part')
    expect(await wire.end()).to.include('401 Unauthorized')
    expect(Date.now() - begun).to.be.within(1500, 5000)
  })

  it('one that waits for 100 Continue -> is closed at once', async () => {
    const wire = await Wire.open(registry().url)
    const begun = Date.now()
    wire.head(...unauthorized(1_000_000), 'Expect: 100-continue')
    expect(await wire.end()).to.match(/^HTTP\/1.1 401 Unauthorized\r\n/)
    expect(Date.now() - begun).to.be.below(1000)
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

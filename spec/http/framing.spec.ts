import { expect } from 'chai'
import Koa from 'koa'
import { Wire } from '../support/ask.ts'
import { listen } from '../support/server.ts'

const CHUNKED = '5\r\nhello\r\n0\r\n\r\n'
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n'

describe('http/framing', () => {
  let server: Awaited<ReturnType<typeof listen>>
  const paths: string[] = []

  before(async () => {
    const app = new Koa()
    app.silent = true
    app.use(async ctx => {
      paths.push(ctx.path)
      let body = ''
      for await (const chunk of ctx.req) body += chunk
      ctx.body = `took ${body}`
    })
    server = await listen(app)
  })
  after(() => server.close())
  beforeEach(() => {
    paths.length = 0
  })

  const REFUSED: Record<string, [version: string, body: string, ...lines: string[]]> = {
    'two Transfer-Encoding lines': [
      '1.1',
      CHUNKED,
      'Transfer-Encoding: chunked',
      'Transfer-Encoding: chunked',
    ],
    'identity and chunked in two lines': [
      '1.1',
      CHUNKED,
      'Transfer-Encoding: identity',
      'transfer-encoding: chunked',
    ],
    'an unknown coding before chunked': ['1.1', CHUNKED, 'Transfer-Encoding: gzip, chunked'],
    'chunked in a line of two': ['1.1', CHUNKED, 'Transfer-Encoding: chunked, chunked'],
    'an empty element before chunked': ['1.1', CHUNKED, 'Transfer-Encoding: , chunked'],
    'a quoted chunked': ['1.1', CHUNKED, 'Transfer-Encoding: "chunked"'],
    'a parameter of chunked': ['1.1', CHUNKED, 'Transfer-Encoding: chunked;q=1'],
    'an unknown coding': ['1.1', CHUNKED, 'Transfer-Encoding: gzip'],
    identity: ['1.1', CHUNKED, 'Transfer-Encoding: identity'],
    'identity and a Content-Length': ['1.1', 'hello', 'Transfer-Encoding: identity', 'Content-Length: 5'],
    'an empty Transfer-Encoding': ['1.1', '', 'Transfer-Encoding:'],
    'an empty Transfer-Encoding and a Content-Length': [
      '1.1',
      'hello',
      'Transfer-Encoding:',
      'Content-Length: 5',
    ],
    'an empty Transfer-Encoding after a Content-Length': [
      '1.1',
      'hello',
      'Content-Length: 5',
      'Transfer-Encoding: ',
    ],
    'chunked before a Content-Length': ['1.1', CHUNKED, 'Transfer-Encoding: chunked', 'Content-Length: 5'],
    'chunked after a Content-Length': ['1.1', CHUNKED, 'Content-Length: 5', 'Transfer-Encoding: chunked'],
    'chunked in HTTP/1.0': ['1.0', CHUNKED, 'Transfer-Encoding: chunked', 'Connection: keep-alive'],
    'two Content-Length lines': ['1.1', 'hello', 'Content-Length: 5', 'Content-Length: 5'],
    'a Content-Length that is a list': ['1.1', 'hello', 'Content-Length: 5, 5'],
    'two Host lines': ['1.1', 'hello', 'Host: x', 'Content-Length: 5'],
    'an unmet expectation and bad framing': [
      '1.1',
      CHUNKED,
      'Expect: miracles',
      'Transfer-Encoding: gzip, chunked',
    ],
    'a wait for 100 and bad framing': [
      '1.1',
      CHUNKED,
      'Expect: 100-continue',
      'Transfer-Encoding: gzip, chunked',
    ],
  }
  for (const [what, [version, body, ...lines]] of Object.entries(REFUSED)) {
    it(`a request with ${what} is refused, and nothing after it is a request`, async () => {
      const wire = await Wire.open(server.url)
      wire.send(`POST / HTTP/${version}\r\nHost: x\r\n${lines.join('\r\n')}\r\n\r\n${body}${SMUGGLED}`)
      const received = await wire.end()
      expect(received).to.match(/^HTTP\/1\.1 400 /)
      expect(received.match(/HTTP\/1\.1 \d/g)).to.have.length(1)
      expect(received).to.match(/^connection: close\r$/im)
      expect(paths).to.deep.equal([])
    })
  }

  it('a request that is refused does not disturb the response before it', async () => {
    const wire = await Wire.open(server.url)
    wire.send(`GET /first HTTP/1.1\r\nHost: x\r\n\r\nPOST /second HTTP/1.1\r\nHost: x\r\n`)
    wire.send(`Transfer-Encoding: gzip, chunked\r\n\r\n${CHUNKED}${SMUGGLED}`)
    const received = await wire.end()
    expect(received.match(/HTTP\/1\.1 \d+/g)).to.deep.equal(['HTTP/1.1 200', 'HTTP/1.1 400'])
    expect(paths).to.deep.equal(['/first'])
  })

  const TAKEN: Record<string, [version: string, body: string, ...lines: string[]]> = {
    chunked: ['1.1', CHUNKED, 'Transfer-Encoding: chunked'],
    'chunked in capitals': ['1.1', CHUNKED, 'TRANSFER-ENCODING: \t CHUNKED'],
    'a Content-Length': ['1.1', 'hello', 'Content-Length: 5'],
    'a Content-Length in HTTP/1.0': ['1.0', 'hello', 'Content-Length: 5'],
  }
  for (const [what, [version, body, ...lines]] of Object.entries(TAKEN)) {
    it(`a request with ${what} is read to its end`, async () => {
      const wire = await Wire.open(server.url)
      wire.send(`POST / HTTP/${version}\r\nHost: x\r\n${lines.join('\r\n')}\r\n\r\n${body}`)
      await wire.until(/took hello/)
      wire.cut()
    })
  }
})

import { EventEmitter, once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import Koa from 'koa'
import { closeServer } from '../../src/http/server.ts'
import { Wire } from '../support/ask.ts'
import { sessionPath } from '../support/oci.ts'
import { listen, serving } from '../support/server.ts'

describe('http/server', () => {
  const registry = serving()

  async function answerTo(...lines: string[]): Promise<string> {
    const wire = await Wire.open(registry().url)
    wire.head(...lines)
    const received = await wire.until(/\r\n\r\n/)
    wire.cut()
    return received
  }

  for (const [what, lines, status] of [
    ['no HTTP', ['hello'], 400],
    ['an unknown method', ['BREW /plugins HTTP/1.1', 'Host: x'], 400],
    ['no Host', ['GET /health HTTP/1.1'], 400],
    ['two Hosts', ['GET /health HTTP/1.1', 'Host: x', 'Host: y'], 400],
    [
      'a Content-Length below zero',
      ['PUT /v2/a/manifests/v1 HTTP/1.1', 'Host: x', 'Content-Length: -1'],
      400,
    ],
    [
      'a length and chunks, the smuggler’s pair',
      ['PUT /v2/a/manifests/v1 HTTP/1.1', 'Host: x', 'Content-Length: 5', 'Transfer-Encoding: chunked'],
      400,
    ],
    ['a header of 40 KB', ['GET /health HTTP/1.1', 'Host: x', `X: ${'y'.repeat(40_000)}`], 431],
    ['a path of 40 KB', [`GET /${'y'.repeat(40_000)} HTTP/1.1`, 'Host: x'], 431],
    ['raw bytes in the path', ['GET /plugins/\xff HTTP/1.1', 'Host: x'], 400],
    ['a target that is no URL', ['GET http://[/v2/ HTTP/1.1', 'Host: x'], 400],
    ['the whole URL as the target', ['GET http://x/health HTTP/1.1', 'Host: x'], 200],
    ['a Host that is none', ['GET /v2/a/tags/list?n=1&last=x HTTP/1.1', 'Host: a b'], 404],
    ['a Host that is none, and a mount', ['POST /v2/a/blobs/uploads/?mount=x HTTP/1.1', 'Host: ['], 401],
    ['a token for a Host that is none', ['GET /token?scope=repository:a:pull HTTP/1.1', 'Host: ['], 200],
    ['an Upgrade', ['GET /health HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: h2c'], 200],
    ['an unknown expectation', ['GET /health HTTP/1.1', 'Host: x', 'Expect: miracles'], 417],
    ['a HTTP/1.0 client', ['GET /health HTTP/1.0'], 200],
    ['*', ['OPTIONS * HTTP/1.1', 'Host: x'], 404],
  ] as const) {
    it(`${what} -> ${status}`, async () => {
      expect(await answerTo(...lines)).to.match(new RegExp(`^HTTP/1.1 ${status} `))
      expect((await registry().ask('GET', '/health')).status).to.equal(200)
    })
  }

  it('chunks that are none -> 400 with a code', async () => {
    const wire = await Wire.open(registry().url)
    wire.head(
      'PUT /v2/a/manifests/v1 HTTP/1.1',
      'Host: x',
      'Authorization: Bearer secret',
      'Transfer-Encoding: chunked',
    )
    wire.send('zz\r\n')
    expect(await wire.until(/errors/)).to.match(/^HTTP\/1.1 400 /)
    wire.cut()
  })

  it('Expect: 100-continue on a blob, a chunk and a manifest -> 100 where it is wanted, else the refusal', async () => {
    const authorization = 'Authorization: Bearer secret'
    const expected = async (line: string, ...lines: string[]) => {
      const headers = ['Host: x', 'Content-Length: 5', 'Expect: 100-continue', ...lines]
      return (await answerTo(`${line} HTTP/1.1`, ...headers)).slice(9, 12)
    }
    const { headers } = await registry().write('POST', '/v2/a/blobs/uploads/')
    const at = sessionPath({ headers })
    expect(await expected('PUT /v2/a/manifests/v1', authorization)).to.equal('100')
    expect(await expected(`PATCH ${at}`, authorization)).to.equal('100')
    expect(await expected('PUT /v2/a/manifests/v1')).to.equal('401')
    expect(await expected('PUT /v2/A/manifests/v1', authorization)).to.equal('400')
    expect(await expected(`PATCH ${at}x`, authorization)).to.equal('404')
    expect(await expected(`PATCH ${at}`, authorization, 'Content-Range: 5-9')).to.equal('416')
  })

  describe('closeServer', () => {
    /** A server whose `/slow` is answered when it is told to `finish`, and `asked` when somebody waits for that. */
    async function slowServer() {
      const told = new EventEmitter()
      const asked = once(told, 'asked')
      const app = new Koa()
      app.use(async ctx => {
        if (ctx.path === '/slow') {
          const finished = once(told, 'finish')
          told.emit('asked')
          await finished
        }
        ctx.body = 'done'
      })
      const { url, server } = await listen(app)
      return { url, server, asked, finish: () => told.emit('finish') }
    }

    it('finishes what is under way, closes what stands idle, and takes nothing new', async () => {
      const { url, server, asked, finish } = await slowServer()
      const idle = await Wire.open(url)
      idle.head('GET / HTTP/1.1', 'Host: x')
      await idle.until(/done/)
      const busy = await Wire.open(url)
      busy.head('GET /slow HTTP/1.1', 'Host: x')
      await asked
      let closed = false
      const closing = closeServer(server).then(() => {
        closed = true
      })
      await idle.end()
      expect(await Wire.open(url).catch((error: NodeJS.ErrnoException) => error.code)).to.equal(
        'ECONNREFUSED',
      )
      expect(closed).to.equal(false)
      finish()
      expect(await busy.end()).to.match(/done$/)
      await closing
    })

    it('cuts what has not ended at the limit', async () => {
      const { url, server, asked } = await slowServer()
      const stuck = await Wire.open(url)
      stuck.head('GET /slow HTTP/1.1', 'Host: x')
      await asked
      await closeServer(server, 300)
      expect(await stuck.end()).to.equal('')
    })

    it('answers one more request of a client that is never idle, and takes its leave', async () => {
      const { url, server, asked, finish } = await slowServer()
      const busy = await Wire.open(url)
      busy.head('GET /slow HTTP/1.1', 'Host: x').head('GET /next HTTP/1.1', 'Host: x')
      await asked
      const closing = closeServer(server)
      await busy.sent('GET /last HTTP/1.1\r\nHost: x\r\n\r\n')
      // The server is in this process: it reads before the second of these.
      for (let i = 0; i < 2; i++) await turn()
      finish()
      await closing
      expect(await busy.end()).to.match(/\r\nConnection: close\r\n[\s\S]*done$/)
    })
  })
})

import { Readable } from 'node:stream'
import { expect } from 'chai'
import Koa from 'koa'
import { renderErrors } from '../../src/http/errors.ts'
import { etags, sendContent } from '../../src/http/send-content.ts'
import { createLogger } from '../../src/log.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import type { BlobHandle } from '../../src/store/contract.ts'
import { ask, Wire } from '../support/ask.ts'
import { pushBlob } from '../support/oci.ts'
import { listen, serving } from '../support/server.ts'
import { until } from '../support/until.ts'

describe('http/send-content', () => {
  describe('a blob that does not come as it should', () => {
    let server: Awaited<ReturnType<typeof listen>>
    let open: () => Promise<BlobHandle>
    let gone = false
    const size = 64_000_000
    const closed: string[] = []

    before(async () => {
      const app = new Koa()
      app.silent = true
      app.use(renderErrors(createLogger('off')))
      const check = async () => {
        if (gone) throw new RegistryError('BLOB_UNKNOWN')
      }
      app.use(ctx => sendContent(ctx, { digest: digestOf('x'), size, open: () => open(), check }))
      server = await listen(app)
    })

    beforeEach(() => {
      closed.length = 0
    })

    after(() => server.close())

    const handle = (read: () => Readable): BlobHandle => ({
      size,
      read: () => read().on('close', () => closed.push('stream')),
      close: async () => {
        closed.push('handle')
      },
    })

    it('cannot be opened -> 500 in place of an answer', async () => {
      open = async () => {
        throw new Error('EIO')
      }
      const answer = await ask(server.url, 'GET', '/')
      expect(answer.status).to.equal(500)
      expect(answer.headers).not.to.have.any.keys('etag', 'cache-control', 'accept-range')
      expect(answer.headers['content-type']).to.equal('text/plain; charset=utf-8')
    })

    it('fails mid-way -> the connection is cut; the next request is answered', async () => {
      open = async () =>
        handle(() =>
          Readable.from(
            (async function* () {
              yield Buffer.alloc(100_000)
              await new Promise(resolve => setTimeout(resolve, 20))
              throw new Error('EIO')
            })(),
          ),
        )
      const failed = await ask(server.url, 'GET', '/').catch((error: NodeJS.ErrnoException) => error)
      expect(failed).to.have.property('code', 'ECONNRESET')
      expect((await ask(server.url, 'HEAD', '/')).status).to.equal(200)
      expect(closed).to.deep.equal(['stream'])
    })

    it('of a client that leaves -> is closed', async () => {
      let opened = false
      open = async () => {
        opened = true
        return handle(() => Readable.from(Array.from({ length: 64 }, () => Buffer.alloc(1_000_000))))
      }
      const wire = (await Wire.open(server.url)).pause()
      wire.head('GET / HTTP/1.1', 'Host: x')
      await until(() => opened)
      expect(closed).to.deep.equal([])
      wire.cut()
      await until(() => closed.length > 0)
      expect(closed).to.deep.equal(['stream'])
    })

    it('is not opened for HEAD, or for who has it', async () => {
      open = async () => {
        throw new Error('opened')
      }
      expect((await ask(server.url, 'HEAD', '/')).status).to.equal(200)
      const headers = { 'if-none-match': `"${digestOf('x')}"` }
      expect((await ask(server.url, 'GET', '/', { headers })).status).to.equal(304)
    })

    it('is gone -> 404 for HEAD, as it is for GET', async () => {
      gone = true
      expect(await ask(server.url, 'HEAD', '/')).to.include({ status: 404, text: '' })
      gone = false
    })
  })

  describe('over a whole registry', () => {
    const registry = serving()

    it('a slow client -> gets all of it', async () => {
      const { digest } = await pushBlob(registry(), 'a', Buffer.alloc(8_000_000, 'slow'))
      const wire = (await Wire.open(registry().url)).pause()
      wire.head(`GET /v2/a/blobs/${digest} HTTP/1.1`, 'Host: x', 'Connection: close')
      await new Promise(resolve => setTimeout(resolve, 200))
      wire.resume()
      const received = await wire.end()
      expect(received.length - received.indexOf('\r\n\r\n') - 4).to.equal(8_000_000)
    })
  })

  describe('etags', () => {
    for (const [header, weak, strong] of [
      ['"a"', ['a'], ['a']],
      ['"a", "b"', ['a', 'b'], ['a', 'b']],
      ['W/"a", "b"', ['a', 'b'], ['b']],
      ['*', ['*'], ['*']],
      ['a', ['a'], ['a']],
      ['', [''], ['']],
    ] as const) {
      it(`${header} -> ${weak.join(' and ')}, compared strongly ${strong.join(' and ')}`, () => {
        expect(etags(header, 'weak')).to.deep.equal(weak)
        expect(etags(header, 'strong')).to.deep.equal(strong)
      })
    }
  })
})

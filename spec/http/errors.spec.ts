import { expect } from 'chai'
import Koa, { type Context } from 'koa'
import { renderErrors } from '../../src/http/errors.ts'
import { createLogger } from '../../src/log.ts'
import { ERRORS, type ErrorName, RegistryError } from '../../src/oci/errors.ts'
import { type Answer, ask, Wire } from '../support/ask.ts'
import { listen } from '../support/server.ts'
import { until } from '../support/until.ts'

describe('http/errors', () => {
  let server: Awaited<ReturnType<typeof listen>>
  let handle: (ctx: Context) => unknown
  const logged: object[] = []

  before(async () => {
    const app = new Koa()
    app.silent = true
    const log = createLogger('off')
    Object.assign(log, { error: (facts: object) => logged.push(facts) })
    app.use(renderErrors(log))
    app.use(ctx => handle(ctx))
    server = await listen(app)
  })

  beforeEach(() => {
    logged.length = 0
  })

  after(() => server.close())

  function answerTo(error: unknown, path: string, method = 'GET'): Promise<Answer> {
    handle = () => {
      throw error
    }
    return ask(server.url, method, path)
  }

  for (const name of Object.keys(ERRORS) as ErrorName[]) {
    const [status, code, message] = ERRORS[name]
    it(`${name} -> ${status}: JSON under /v2/, one line of text elsewhere`, async () => {
      const json = await answerTo(new RegistryError(name), '/v2/a')
      expect(json.status).to.equal(status)
      expect(json.text).to.equal(JSON.stringify({ errors: [{ code, message }] }))
      expect(json.headers).to.include({
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(json.text)),
      })
      const text = await answerTo(new RegistryError(name), '/files')
      expect(text.status).to.equal(status)
      expect(text.text).to.equal(message)
      expect(text.headers['content-type']).to.equal('text/plain; charset=utf-8')
    })
  }

  it('message and detail -> take the place of the table’s; the text has no detail', async () => {
    const error = new RegistryError('DENIED', { message: 'because – so', detail: { a: [1] } })
    const expected = { errors: [{ code: 'DENIED', message: 'because – so', detail: { a: [1] } }] }
    expect((await answerTo(error, '/v2/')).json).to.deep.equal(expected)
    expect((await answerTo(error, '/v2')).json).to.deep.equal(expected)
    expect((await answerTo(error, '/v2x')).text).to.equal('because – so')
  })

  it('headers of the error -> in the answer', async () => {
    const error = new RegistryError('TOOMANYREQUESTS', { headers: { 'Retry-After': '7' } })
    expect((await answerTo(error, '/')).headers['retry-after']).to.equal('7')
  })

  it('headers that spoke of the content -> are gone; others stay', async () => {
    handle = ctx => {
      ctx.set({ ETag: '"x"', 'Content-Range': 'bytes 0-1/2', 'Cache-Control': 'immutable', 'X-Kept': 'x' })
      ctx.set({ 'Content-Length': '999', 'Content-Type': 'image/png' })
      throw new RegistryError('BLOB_UNKNOWN')
    }
    const { headers, text } = await ask(server.url, 'GET', '/v2/')
    expect(headers).not.to.have.any.keys('etag', 'content-range', 'cache-control')
    expect(headers).to.include({ 'x-kept': 'x', 'content-length': String(text.length) })
  })

  it('any other error -> 500 that tells nothing, and the cause in the log', async () => {
    const cause = new Error('/var/lib/secret')
    for (const thrown of [cause, new TypeError('x'), 'a string', undefined, { status: 200, expose: true }]) {
      logged.length = 0
      const { status, json, text } = await answerTo(thrown, '/v2/')
      expect(status).to.equal(500)
      expect(json).to.deep.equal({
        errors: [{ code: 'UNSUPPORTED', message: 'the registry failed; its log says why' }],
      })
      expect(text).not.to.include('secret')
      expect(logged).to.have.length(1)
    }
    await answerTo(cause, '/x')
    expect((logged[1] as { err: Error }).err.cause).to.equal(cause)
  })

  it('what is the client’s fault -> is not in the log', async () => {
    await answerTo(new RegistryError('BLOB_UNKNOWN'), '/v2/')
    expect(logged).to.deep.equal([])
  })

  it('HEAD -> the headers alone', async () => {
    const { status, headers, bytes } = await answerTo(new RegistryError('BLOB_UNKNOWN'), '/v2/', 'HEAD')
    expect(status).to.equal(404)
    expect(bytes).to.have.length(0)
    expect(Number(headers['content-length'])).to.be.greaterThan(20)
  })

  it('GET -> the connection stays open', async () => {
    handle = () => {
      throw new RegistryError('BLOB_UNKNOWN')
    }
    const wire = await Wire.open(server.url)
    wire.head('GET /1 HTTP/1.1', 'Host: x')
    await wire.until(/registry$/)
    wire.head('GET /2 HTTP/1.1', 'Host: x')
    await wire.until(/registryHTTP\/1.1 404 Not Found[\s\S]+registry$/)
    wire.cut()
  })

  it('after a part of the answer -> the connection is cut, so that nobody takes it for the whole, and the log says why', async () => {
    handle = async ctx => {
      ctx.respond = false
      ctx.res.writeHead(200, { 'Content-Length': '10' })
      ctx.res.write('12345')
      await new Promise(resolve => setTimeout(resolve, 50))
      throw new Error('broken')
    }
    const wire = await Wire.open(server.url)
    wire.head('GET / HTTP/1.1', 'Host: x')
    expect(await wire.end()).to.match(/\r\n\r\n12345$/)
    expect(logged).to.have.length(1)
    expect(logged[0]).to.have.nested.property('err.message', 'broken')
  })

  it('of a client that has gone -> no answer, and no log', async () => {
    let failed: Promise<unknown> | undefined
    handle = async ctx => {
      failed = (async () => {
        for await (const _ of ctx.req);
      })()
      await failed
    }
    const wire = await Wire.open(server.url)
    wire.head('POST / HTTP/1.1', 'Host: x', 'Content-Length: 100').send('part')
    const failing = await until(() => failed && [failed])
    wire.cut()
    expect(await failing[0]?.catch((error: NodeJS.ErrnoException) => error.code)).to.equal('ECONNRESET')
    // What is logged is logged before another request is answered.
    handle = ctx => {
      ctx.body = 'next'
    }
    expect((await ask(server.url, 'GET', '/')).text).to.equal('next')
    expect(logged).to.deep.equal([])
  })
})

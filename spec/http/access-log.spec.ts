import { EventEmitter, once } from 'node:events'
import { expect } from 'chai'
import { pino, stdTimeFunctions } from 'pino'
import { type LogRecord, textLine } from '../../src/log-text.ts'
import { Wire } from '../support/ask.ts'
import { pushArtifact, pushBlob } from '../support/oci.ts'
import { type RunningRegistry, startRegistry } from '../support/server.ts'

type Line = LogRecord & Record<string, unknown>

for (const accessLog of [true, false]) {
  describe(`http/access-log, ${accessLog ? 'all requests' : 'changes and wrong credentials only'}`, () => {
    const lines: Line[] = []
    const written = new EventEmitter()
    let registry: RunningRegistry

    before(async () => {
      const log = pino(
        { base: null, timestamp: stdTimeFunctions.isoTime, formatters: { level: level => ({ level }) } },
        {
          write: line => {
            lines.push(JSON.parse(line) as Line)
            written.emit('line')
          },
        },
      )
      registry = await startRegistry({ log, policy: { accessLog } })
      await pushArtifact(registry, 'a/b', 'v1')
    })
    after(() => registry.close())
    beforeEach(() => {
      lines.length = 0
    })

    /** The line of the request that carries this path. */
    async function lineOf(path: string): Promise<Line> {
      for (;;) {
        const line = lines.find(line => line.path === path)
        if (line) return line
        await once(written, 'line')
      }
    }

    if (accessLog)
      it('a read has one line with everything, and its id is in the response', async () => {
        for (const path of [
          '/v2/a/b/manifests/v1',
          '/plugins',
          '/v2/a/b/manifests/unknown?x="y',
          '/nothing',
        ]) {
          // Often enough that the response cache answers some.
          for (let i = 0; i < 4; i++) {
            lines.length = 0
            const { status, headers, bytes } = await registry.ask('GET', path, {
              headers: { 'user-agent': 'spec "1"' },
            })
            const line = await lineOf(path)
            expect(line).to.deep.include({
              level: 'info',
              msg: 'request',
              id: headers['x-request-id'],
              client: '127.0.0.1',
              method: 'GET',
              path,
              status,
              in: 0,
              out: bytes.length,
              who: 'anonymous',
              agent: 'spec "1"',
            })
            expect(line.time).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
            expect(line.ms).to.be.a('number')
          }
        }
      })

    if (accessLog)
      it('every request has an id of its own', async () => {
        const ids = new Set<unknown>()
        for (let i = 0; i < 10; i++) ids.add((await registry.ask('GET', '/plugins')).headers['x-request-id'])
        expect(ids.size).to.equal(10)
      })

    if (accessLog)
      it('a download that the client breaks off says so', async () => {
        const { digest } = await pushBlob(registry, 'a', Buffer.alloc(20_000_000))
        const path = `/v2/a/blobs/${digest}`
        const wire = (await Wire.open(registry.url)).pause()
        wire.head(`GET ${path} HTTP/1.1`, 'Host: x')
        await new Promise(resolve => setImmediate(resolve))
        wire.cut()
        const line = await lineOf(path)
        expect(line.cut).to.equal(true)
        expect(line.out).to.be.lessThan(20_000_000)
      })

    it('a change has a line with its bytes', async () => {
      const { digest } = await pushBlob(registry, 'a', 'content')
      const line = await lineOf(`/v2/a/blobs/uploads/?digest=${digest}`)
      expect(line).to.deep.include({ level: 'info', method: 'POST', status: 201, in: 7, who: 'the secret' })
    })

    it('wrong credentials are a warning, and the credentials are not in it', async () => {
      for (const authorization of ['Bearer guess-1234', 'Basic dTpndWVzcy0xMjM0']) {
        lines.length = 0
        await registry.ask('GET', '/v2/', { headers: { authorization } })
        const line = await lineOf('/v2/')
        expect(line).to.deep.include({ level: 'warn', status: 401, who: 'anonymous' })
        expect(JSON.stringify(lines)).not.to.include('guess').and.not.to.include('dTpndWVzcy0xMjM0')
      }
    })

    if (!accessLog)
      it('reads, challenges and refused changes have none', async () => {
        await registry.ask('GET', '/plugins')
        await registry.ask('GET', '/v2/')
        await registry.ask('POST', '/files', { body: 'x' })
        await registry.ask('GET', '/nothing')
        const { digest } = await pushBlob(registry, 'a', 'last')
        await lineOf(`/v2/a/blobs/uploads/?digest=${digest}`)
        expect(lines).to.have.length(1)
      })
  })
}

describe('log-text', () => {
  const record = { time: '2026-11-28T12:30:27.123Z', level: 'info', msg: 'request' }

  it('a request is one line that people can read', () => {
    const line = {
      ...record,
      id: 'a-1',
      client: '::1',
      method: 'GET',
      path: '/v2/',
      status: 401,
      agent: 'a b',
    }
    expect(textLine(line)).to.equal(
      '2026-11-28T12:30:27.123Z info  request ::1 GET /v2/ 401 id=a-1 agent="a b"\n',
    )
  })

  it('an error is under its line, and nothing moves the cursor', () => {
    const err = { message: 'broken', stack: 'Error: broken\n    at \u001b[2Jx' }
    const text = textLine({ ...record, msg: 'request failed', path: '/\u001b[2J', err })
    expect(text).to.equal(
      '2026-11-28T12:30:27.123Z info  request failed path="/\\u001b[2J"\n    Error: broken\n        at ?[2Jx\n',
    )
  })
})

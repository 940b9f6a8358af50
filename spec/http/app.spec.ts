import { expect } from 'chai'
import { pino } from 'pino'
import { Wire } from '../support/ask.ts'
import { pushBlob } from '../support/oci.ts'
import { type RunningRegistry, startRegistry } from '../support/server.ts'
import { until } from '../support/until.ts'

describe('http/app', () => {
  describe('the log', () => {
    const lines: string[] = []
    let registry: RunningRegistry

    before(async () => {
      registry = await startRegistry({
        log: pino({ level: 'info' }, { write: line => lines.push(line) }),
        policy: { accessLog: false },
      })
    })

    beforeEach(() => {
      lines.length = 0
    })

    after(() => registry.close())

    it('of requests that are answered, refused or not -> nothing', async () => {
      for (const path of ['/plugins', '/v2/', '/x', '/plugins/%ff', '/v2/a/tags/list', '/files/x']) {
        await registry.ask('GET', path)
      }
      await registry.ask('POST', '/files', { body: 'x' })
      expect(lines).to.deep.equal([])
    })

    it('of clients that leave while they download, upload or wait -> nothing', async () => {
      const { digest } = await pushBlob(registry, 'a', Buffer.alloc(20_000_000))
      lines.length = 0
      for (const [head, body] of [
        [`GET /v2/a/blobs/${digest} HTTP/1.1`, ''],
        ['POST /v2/a/blobs/uploads/?digest=x HTTP/1.1', 'part'],
        [`POST /v2/a/blobs/uploads/?digest=${digest} HTTP/1.1`, 'part'],
        ['PUT /v2/a/manifests/v1 HTTP/1.1', 'part'],
        ['POST /files HTTP/1.1', 'part'],
      ] as const) {
        const wire = (await Wire.open(registry.url)).pause()
        const length =
          body === '' ? [] : ['Content-Length: 1000', 'Content-Type: multipart/form-data; boundary=x']
        wire.head(head, 'Host: x', 'Authorization: Bearer secret', ...length)
        await wire.sent(body)
        // What came before this request has been read when it is answered.
        expect((await registry.ask('GET', '/health')).status).to.equal(200)
        wire.cut()
        await until(async () => (await registry.connections()) === 0)
        await until(async () => (await registry.staged()).length === 0)
        expect(lines, head).to.deep.equal([])
      }
    })
  })
})

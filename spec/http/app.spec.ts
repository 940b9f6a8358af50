import { expect } from 'chai'
import { pino } from 'pino'
import { Wire } from '../support/ask.ts'
import { pushBlob } from '../support/oci.ts'
import { type RunningRegistry, startRegistry } from '../support/server.ts'

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

    const pause = () => new Promise(resolve => setTimeout(resolve, 50))

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
        wire.head(head, 'Host: x', 'Authorization: Bearer secret', ...length).send(body)
        await pause()
        wire.cut()
        await pause()
        expect(lines, head).to.deep.equal([])
      }
      expect(await registry.staged()).to.deep.equal([])
    })
  })
})

import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { Access } from '../../src/http/access.ts'
import { createApp } from '../../src/http/app.ts'
import { createLogger } from '../../src/log.ts'
import { FsBlobStore } from '../../src/store/fs-store.ts'
import { ask } from '../support/ask.ts'
import { FaultyFs } from '../support/faults.ts'
import { CoreRegistry } from '../support/registry.ts'
import { listen, serving } from '../support/server.ts'
import { storages } from '../support/storage.ts'

describe('http: a disk that fails', () => {
  const fresh = storages()

  it('a sync that fails -> 503 for writes and readiness, with the reason; reads and health go on', async () => {
    const root = await fresh()
    const faulty = new FaultyFs(root)
    const store = await FsBlobStore.open(root, { fs: faulty.fs })
    const registry = await CoreRegistry.open(root, { store })
    const { digest } = await registry.pushBlob('a', 'abc')
    const access = new Access('secret')
    const server = await listen(
      createApp(registry, access, createLogger('off'), {
        maxPluginSize: 1000,
        cacheSize: 0,
        accessLog: false,
        corsOrigins: [],
      }),
    )
    const begin = () =>
      ask(server.url, 'POST', `/v2/a/blobs/uploads/?digest=${digest}`, {
        headers: { authorization: 'Bearer secret' },
        body: 'abc',
      })
    try {
      expect(await ask(server.url, 'GET', '/ready')).to.include({ status: 200, text: '"Ok"' })
      faulty.fail('datasync', 'EIO')
      const reason =
        /the storage failed \(EIO\) at 20\S+; the registry takes no writes until the disk is repaired and the registry started again/
      expect((await begin()).text).to.match(reason)
      faulty.heal()
      expect((await begin()).status).to.equal(503)
      const ready = await ask(server.url, 'GET', '/ready')
      expect(ready.status).to.equal(503)
      expect(ready.text)
        .to.match(reason)
        .and.match(/^blobs: /)
      expect(ready.headers['content-type']).to.equal('text/plain; charset=utf-8')
      const health = await ask(server.url, 'GET', '/health')
      expect(health).to.include({ status: 200, text: '"Ok"' })
      expect((await ask(server.url, 'GET', `/v2/a/blobs/${digest}`)).text).to.equal('abc')
    } finally {
      await server.close()
      await registry.close()
    }
  })

  describe('that is not there', () => {
    const registry = serving()

    it('GET /ready -> 503 while it is away', async () => {
      const [here, away] = ['uploads', 'away'].map(name => join(registry().storage, name)) as [string, string]
      await rename(here, away)
      const ill = await registry().ask('GET', '/ready')
      await rename(away, here)
      expect(ill.status).to.equal(503)
      expect(ill.text).to.match(/^blobs: the storage failed \(ENOENT\)/)
      const well = await registry().ask('GET', '/ready')
      expect(well).to.include({ status: 200, text: '"Ok"' })
      expect(well.headers['content-type']).to.equal('application/json')
    })
  })
})

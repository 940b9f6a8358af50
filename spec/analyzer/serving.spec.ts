import { expect } from 'chai'
import { WorkerAnalyzer } from '../../src/analyzer/pool.ts'
import { Access } from '../../src/http/access.ts'
import { createApp } from '../../src/http/app.ts'
import { createLogger } from '../../src/log.ts'
import { PLUGIN_BINARY } from '../../src/oci/plugin-artifact.ts'
import { type Answer, ask } from '../support/ask.ts'
import { upload } from '../support/form.ts'
import { SIZE } from '../support/hostile.ts'
import { COSTLY_FACTS } from '../support/hostile-facts.ts'
import { imageManifest, pushBlob, putManifest } from '../support/oci.ts'
import { type Act, fileFor, ODD_THREAD } from '../support/odd-thread.ts'
import { CoreRegistry, MIB } from '../support/registry.ts'
import { listen, serving } from '../support/server.ts'
import { tmpDir } from '../support/tmp.ts'

const headers = { authorization: 'Bearer secret' }
/** DER of r = 1 and s = 1: without keys nobody looks further. */
const SIGNATURE = '3006020101020101'

describe('analyzer: a server', () => {
  describe('whose analyzer hangs or dies', () => {
    const fresh = tmpDir()
    let analyzer: WorkerAnalyzer
    let core: CoreRegistry
    let http: Awaited<ReturnType<typeof listen>>

    before(async () => {
      const limits = { time: 700, memory: 32, start: 20_000 }
      analyzer = new WorkerAnalyzer({ threads: 1, limits, entry: ODD_THREAD })
      core = await CoreRegistry.open(await fresh(), { analyzer })
      const app = createApp(core, new Access('secret'), createLogger('off'), {
        maxPluginSize: 20 * MIB,
        cacheSize: 0,
        accessLog: false,
        corsOrigins: [],
      })
      http = await listen(app)
    })

    after(async () => {
      await http.close()
      await analyzer.close()
      await core.close()
    })

    const post = (act: Act): Promise<Answer> => {
      const { headers: type, body } = upload(fileFor(act), SIGNATURE)
      return ask(http.url, 'POST', '/files', { headers: { ...headers, ...type }, body })
    }
    const put = async (act: Act, mediaType: string): Promise<Answer> => {
      const layer = await core.pushBlob('a', fileFor(act), mediaType)
      const { mediaType: type = '', ...image } = JSON.parse(imageManifest([layer]).toString())
      await core.pushBlob('a', '{}')
      const body = JSON.stringify({ mediaType: type, ...image })
      return ask(http.url, 'PUT', '/v2/a/manifests/v1', {
        headers: { ...headers, 'content-type': type },
        body,
      })
    }

    it('POST /files that hangs -> 400 in the words of the contract, and others are served meanwhile', async () => {
      let hanging = true
      const answer = post('hang').finally(() => {
        hanging = false
      })
      let served = 0
      for (; hanging; served++) expect((await ask(http.url, 'GET', '/health')).status).to.equal(200)
      const { status, text } = await answer
      expect([status, text]).to.deep.equal([400, 'Memflow error: inventory: file is too complex'])
      expect(served).to.be.above(3)
    })

    it('POST /files that fills the memory -> 400, the same', async () => {
      const { status, text } = await post('fill')
      expect([status, text]).to.deep.equal([400, 'Memflow error: inventory: file is too complex'])
    })

    it('POST /files that kills the thread -> 500, and nothing stays staged', async () => {
      const { status, text } = await post('exit')
      expect([status, text]).to.deep.equal([500, 'the registry failed; its log says why'])
      expect(await core.stored()).to.deep.equal([])
    })

    it('PUT of a manifest whose plugin hangs -> 400 MANIFEST_INVALID', async () => {
      const { status, code, text } = await put('hang', PLUGIN_BINARY)
      expect([status, code]).to.deep.equal([400, 'MANIFEST_INVALID'])
      expect(text).to.match(/the layer is not a memflow plugin: examining it takes more than 700 ms/)
    })

    it('PUT of a manifest with a library that hangs -> 201: it is a blob like any other', async () => {
      expect((await put('hang', 'application/octet-stream')).status).to.equal(201)
    })
  })

  describe('under costly files of 20 MiB', () => {
    const registry = serving({ policy: { maxPluginSize: SIZE } })

    it('answers other requests all the time that they take', async () => {
      const make = COSTLY_FACTS['any: what is nearly the path of a crate, all over']
      await pushBlob(registry(), 'a', '{}')
      const pushes = 5
      const manifests: Buffer[] = []
      // Files of different bytes, because what was examined once is known. The first one starts the thread.
      for (let i = 0; i <= pushes; i++) {
        const file = Buffer.from(make?.() ?? '')
        file[file.length - 1] = i
        manifests.push(imageManifest([await pushBlob(registry(), 'a', file, PLUGIN_BINARY)]))
      }
      await putManifest(registry(), 'a', 'v1', manifests.pop() ?? Buffer.alloc(0))
      let pushing = true
      const pushed = (async () => {
        for (const body of manifests) {
          const { status } = await putManifest(registry(), 'a', 'v1', body)
          expect(status).to.be.oneOf([201, 400])
        }
      })().finally(() => {
        pushing = false
      })
      let served = 0
      for (; pushing; served++) expect((await registry().ask('GET', '/health')).status).to.equal(200)
      await pushed
      expect(served).to.be.above(pushes * 4)
    })
  })
})

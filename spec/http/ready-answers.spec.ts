import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { AccessLog } from '../../src/http/access-log.ts'
import { App } from '../../src/http/app.ts'
import { isWanted, ReadyAnswers, standsOn } from '../../src/http/ready-answers.ts'
import { createLogger } from '../../src/log.ts'
import { ask, type Question } from '../support/ask.ts'
import { imageManifest, pushArtifact, pushBlob, putManifest } from '../support/oci.ts'
import { listen, serving } from '../support/server.ts'

const KIB = 1024

describe('http/ready-answers', () => {
  describe('before an app', () => {
    let url = ''
    let close: () => Promise<void>
    let rows = { unchanged: true }
    /** How often the app was asked itself. */
    let asked = 0

    beforeEach(async () => {
      rows = { unchanged: true }
      asked = 0
      const ready = new ReadyAnswers(128 * KIB, header => header === 'Bearer good')
      const app = new App(ready, new AccessLog(createLogger('off'), { all: false }))
      app.use(ready.keep)
      app.use(ctx => {
        asked++
        const [, kind, size = '10'] = ctx.path.split('/')
        if (kind === 'unsaid') {
          ctx.body = 'text'
          return
        }
        const state = rows
        standsOn(ctx, () => state.unchanged)
        if (kind === 'gone') ctx.status = 404
        if (kind === 'blob' && !isWanted(ctx, Number(size))) return void ctx.res.end('streamed')
        ctx.set('X-Kind', kind ?? '')
        ctx.body = kind === 'text' ? 'täxt' : Buffer.alloc(Number(size), kind)
      })
      ;({ url, close } = await listen(app))
    })

    afterEach(() => close())

    const get = (path: string, question?: Question) => ask(url, 'GET', path, question)

    /** Asks for the first time, and for what is to be kept. */
    const twice = async (path: string) => {
      await get(path)
      return await get(path)
    }

    it('the third answer is the second one, without asking the app', async () => {
      const [second, third] = [await twice('/bytes'), await get('/bytes')]
      expect(asked).to.equal(2)
      expect(third.text).to.equal('bytesbytes')
      const { date: _, 'x-request-id': __, ...headers } = second.headers
      expect(third.headers).to.deep.include(headers)
      expect(third.headers['x-kind']).to.equal('bytes')
    })

    it('what is not ASCII comes back as it was', async () => {
      await twice('/text')
      expect((await get('/text')).text).to.equal('täxt')
      expect(asked).to.equal(2)
    })

    it('the app is asked again when the rows have changed, once', async () => {
      await twice('/bytes')
      rows.unchanged = false
      rows = { unchanged: true }
      await get('/bytes')
      await get('/bytes')
      expect(asked).to.equal(3)
    })

    it('HEAD has the headers of GET and no body', async () => {
      await twice('/bytes')
      const head = await ask(url, 'HEAD', '/bytes')
      expect(head.headers['content-length']).to.equal('10')
      expect(head.text).to.equal('')
      expect(asked).to.equal(2)
    })

    for (const [name, value] of [
      ['Authorization', 'Bearer x'],
      ['If-None-Match', '"x"'],
      ['Range', 'bytes=0-1'],
      ['Content-Length', '0'],
    ] as const) {
      it(`the app sees requests with ${name}`, async () => {
        for (let i = 0; i < 2; i++) await get('/bytes', { headers: { [name]: value } })
        await twice('/bytes')
        await get('/bytes', { headers: { [name]: value } })
        expect(asked).to.equal(5)
      })
    }

    it('credentials that may read have the same answer', async () => {
      for (let i = 0; i < 3; i++) await get('/bytes', { headers: { Authorization: 'Bearer good' } })
      expect(asked).to.equal(2)
    })

    it('keeps neither errors nor what nobody vouches for', async () => {
      for (const path of ['/gone', '/unsaid']) for (let i = 0; i < 3; i++) await get(path)
      expect(asked).to.equal(6)
    })

    it('other parameters are another answer', async () => {
      for (const query of ['', '?n=1', '?n=2', '?n=1', '?n=1']) await get(`/bytes${query}`)
      expect(asked).to.equal(4)
    })

    it('a body that is read for it is kept from the second time on, and HEAD asks the app', async () => {
      expect((await get('/blob/100')).text).to.equal('streamed')
      expect((await get('/blob/100')).bytes).to.have.length(100)
      expect((await get('/blob/100')).bytes).to.have.length(100)
      expect(asked).to.equal(2)
      await ask(url, 'HEAD', '/blob/100')
      expect(asked).to.equal(3)
    })

    it('a body that could not be kept is not gathered', async () => {
      rows.unchanged = false
      for (let i = 0; i < 3; i++) expect((await get('/blob/200')).text).to.equal('streamed')
      expect(asked).to.equal(3)
    })

    it('a body of more than an eighth of the memory is never kept', async () => {
      for (let i = 0; i < 3; i++) expect((await get('/blob/20000')).text).to.equal('streamed')
      for (let i = 0; i < 3; i++) await get('/x/20000')
      expect(asked).to.equal(6)
    })

    it('a path of more than 1024 characters is never kept', async () => {
      const path = `/bytes?${'x'.repeat(1024)}`
      for (let i = 0; i < 3; i++) await get(path)
      expect(asked).to.equal(3)
    })

    it('stays within its memory, and keeps what is in use', async () => {
      const path = (i: number) => `/${String.fromCharCode(97 + i)}/8000`
      for (let i = 0; i < 20; i++) {
        await twice(path(i))
        await get(path(0))
      }
      expect(asked, 'the first one stays').to.equal(40)
      await get(path(19))
      expect(asked).to.equal(40)
      await get(path(1))
      expect(asked, 'the second one has gone').to.equal(41)
    })

    it('what is asked for once does not drive out what is kept', async () => {
      await twice('/kept')
      for (let i = 0; i < 100; i++) await get(`/x/8000?n=${i}`)
      await get('/kept')
      expect(asked).to.equal(102)
    })
  })

  describe('in a registry', () => {
    const registry = serving()
    const read = (path: string) => registry().ask('GET', `/v2/${path}`)

    it('a tag that was moved shows its new manifest at once, one that was deleted is 404', async () => {
      const layer = await pushBlob(registry(), 'a', 'layer')
      await pushBlob(registry(), 'a', '{}')
      for (const n of ['1', '2', '3']) {
        const document = imageManifest([layer], { annotations: { n } })
        await putManifest(registry(), 'a', 'v', document)
        for (let i = 0; i < 3; i++) expect((await read('a/manifests/v')).text).to.equal(document.toString())
      }
      await registry().write('DELETE', '/v2/a/manifests/v')
      expect((await read('a/manifests/v')).status).to.equal(404)
    })

    it('lists have what has come since', async () => {
      const { digest: subject } = await pushArtifact(registry(), 'lists', 'v1')
      const lists = ['_catalog', 'lists/tags/list', `lists/referrers/${subject}`]
      for (let i = 0; i < 3; i++) for (const path of lists) await read(path)
      const before = await Promise.all(lists.map(async path => (await read(path)).text))
      const descriptor = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: subject, size: 1 }
      const layer = await pushBlob(registry(), 'lists', 'layer')
      await putManifest(registry(), 'lists', 'v2', imageManifest([layer], { subject: descriptor }))
      await pushArtifact(registry(), 'another', 'v1')
      const after = await Promise.all(lists.map(async path => (await read(path)).text))
      for (const [i, text] of before.entries()) expect(after[i], lists[i]).not.to.equal(text)
    })

    it('a blob that the repository has let go of is 404', async () => {
      const { digest } = await pushBlob(registry(), 'b', 'often asked for')
      for (let i = 0; i < 3; i++) expect((await read(`b/blobs/${digest}`)).text).to.equal('often asked for')
      await registry().write('DELETE', `/v2/b/blobs/${digest}`)
      expect((await read(`b/blobs/${digest}`)).status).to.equal(404)
    })

    it('HEAD tells of a blob file that is gone, however often it was read before', async () => {
      const { digest } = await pushBlob(registry(), 'b', 'lost on disk')
      for (let i = 0; i < 3; i++) await read(`b/blobs/${digest}`)
      await rm(join(registry().storage, 'blobs/sha256', digest.slice(7, 9), digest.slice(7)))
      expect((await registry().ask('HEAD', `/v2/b/blobs/${digest}`)).status).to.equal(404)
    })
  })
})

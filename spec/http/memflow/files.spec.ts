import { readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { digestOf, hexOf } from '../../../src/oci/digest.ts'
import { upload } from '../../support/form.ts'
import { type PluginFile, plugin } from '../../support/plugins.ts'
import { serving } from '../../support/server.ts'
import { signer } from '../../support/signer.ts'

describe('http/memflow/files', () => {
  const { pem, sign } = signer()
  const registry = serving({ keys: pem })
  const { bytes, descriptors } = plugin('libmemflow_coredump-0.2.0.x86_64.so')
  const digest = hexOf(digestOf(bytes))
  const signature = sign(bytes)
  const get = (path: string, headers = {}) => registry().ask('GET', path, { headers })

  async function add(file: PluginFile): Promise<string> {
    const content = plugin(file).bytes
    const { status, text } = await registry().write('POST', '/files', upload(content, sign(content)))
    expect(status, text).to.equal(200)
    return hexOf(digestOf(content))
  }

  let folders: string[]

  before(async () => {
    folders = await readdir(registry().storage)
    await registry().write('POST', '/files', upload(bytes, signature))
  })

  describe('GET /files/{digest}', () => {
    it('-> 200 with the bytes', async () => {
      const answer = await get(`/files/${digest}`)
      expect(answer.status).to.equal(200)
      expect(answer.bytes.equals(bytes)).to.equal(true)
      expect(answer.headers).to.include({
        'content-type': 'application/octet-stream',
        'content-length': String(bytes.length),
        etag: `"sha256:${digest}"`,
        'accept-ranges': 'bytes',
      })
    })

    it('with sha256: before it -> the same', async () => {
      for (const path of [`/files/sha256:${digest}`, `/files/sha256%3A${digest}`]) {
        expect((await get(path)).bytes.equals(bytes)).to.equal(true)
      }
    })

    it('-> a name to save it under', async () => {
      for (const method of ['GET', 'HEAD'])
        expect((await registry().ask(method, `/files/${digest}`)).headers).to.include({
          'content-disposition': 'attachment; filename="libmemflow_coredump-0.2.0.x86_64.so"',
        })
    })

    it('of a part of the digest -> the same, which no cache keeps without asking', async () => {
      for (const path of [`/files/${digest.slice(0, 7)}`, `/files/sha256:${digest.slice(0, 20)}`]) {
        for (const _ of [1, 2, 3]) {
          const answer = await get(path)
          expect(answer.bytes.equals(bytes)).to.equal(true)
          expect(answer.headers).to.include({ 'cache-control': 'no-cache', etag: `"sha256:${digest}"` })
        }
        expect((await get(`${path}/metadata`)).json).to.include({ digest })
        expect((await get(`${path}/analysis`)).json).to.include({ digest })
      }
    })

    it('HEAD -> the headers and no body', async () => {
      const { status, headers, bytes: body } = await registry().ask('HEAD', `/files/${digest}`)
      expect(status).to.equal(200)
      expect(headers['content-length']).to.equal(String(bytes.length))
      expect(body).to.have.length(0)
    })

    it('Range -> 206 with the part, 416 outside', async () => {
      const part = await get(`/files/${digest}`, { range: 'bytes=1-3' })
      expect(part.status).to.equal(206)
      expect(part.text).to.equal('ELF')
      expect(part.headers['content-range']).to.equal(`bytes 1-3/${bytes.length}`)
      const outside = await get(`/files/${digest}`, { range: `bytes=${bytes.length}-` })
      expect(outside.status).to.equal(416)
      expect(outside.headers).to.include({
        'content-range': `bytes */${bytes.length}`,
        'content-type': 'text/plain; charset=utf-8',
      })
      expect(outside.text).to.equal('the range lies outside the content')
    })

    it('If-None-Match -> 304 without a body', async () => {
      const answer = await get(`/files/${digest}`, { 'if-none-match': `"sha256:${digest}"` })
      expect(answer.status).to.equal(304)
      expect(answer.bytes).to.have.length(0)
    })
  })

  describe('GET /files/{digest}/metadata', () => {
    it('-> 200 with what there is to know, to the byte', async () => {
      const { status, headers, text } = await get(`/files/${digest}/metadata`)
      const { created_at } = JSON.parse(text) as { created_at: string }
      expect(status).to.equal(200)
      expect(headers['content-type']).to.equal('application/json')
      expect(text).to.equal(
        `{"digest":"${digest}","signature":"${signature}","created_at":"${created_at}",` +
          `"descriptors":${JSON.stringify(descriptors)}}`,
      )
      expect(created_at).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6}|\.\d{9})?$/)
    })

    it('HEAD -> the content-length of GET', async () => {
      const head = await registry().ask('HEAD', `/files/${digest}/metadata`)
      const { headers } = await get(`/files/${digest}/metadata`)
      expect(head.headers['content-length']).to.equal(headers['content-length'])
    })

    it('of several plugins -> in the order of the export table', async () => {
      const file = 'libmemflow_pair-0.2.0.x86_64.so'
      const { json } = await get(`/files/${await add(file)}/metadata`)
      expect((json as { descriptors: unknown }).descriptors).to.deep.equal(plugin(file).descriptors)
    })
  })

  describe('what is no digest of a plugin', () => {
    const zeros = '0'.repeat(64)
    const NONE = [
      zeros,
      `sha256:${zeros}`,
      digest.slice(0, 6),
      digest.slice(1),
      `${digest}0`,
      digest.toUpperCase(),
      `sha512:${zeros}${zeros}`,
      `sha256:sha256:${digest}`,
      'x',
      '..',
      '%2e%2e',
      '..%2f..%2findex%2fCURRENT',
      '..%5c..%5cindex',
      '%2fetc%2fpasswd',
      `${digest}%00`,
      `${digest}%0a`,
      `%20${digest}`,
    ]

    for (const name of NONE) {
      it(`GET /files/${name.slice(0, 40)} -> 404 plugin not found`, async () => {
        for (const path of [`/files/${name}`, `/files/${name}/metadata`]) {
          const { status, headers, text } = await get(path)
          expect(status).to.equal(404)
          expect(headers['content-type']).to.equal('text/plain; charset=utf-8')
          expect(headers).not.to.have.any.keys('etag', 'cache-control')
          expect(text).to.equal('plugin not found')
        }
      })

      if (!digest.startsWith(name)) {
        it(`DELETE /files/${name.slice(0, 40)} -> 404 plugin not found`, async () => {
          const { status, text } = await registry().write('DELETE', `/files/${name}`)
          expect(status).to.equal(404)
          expect(text).to.equal('plugin not found')
        })
      }
    }

    for (const path of [
      '/files/../../etc/passwd',
      '/files/./x/../../y',
      `/files//${digest}`,
      `/files/${digest}/`,
    ]) {
      it(`GET ${path.slice(0, 40)} -> 404: no such route`, async () => {
        const { status, text } = await get(path)
        expect(status).to.equal(404)
        expect(text).to.match(/^nothing is here/)
      })
    }

    it('a blob that is no plugin -> 404', async () => {
      const path = `/v2/a/blobs/uploads/?digest=${digestOf('blob')}`
      expect((await registry().write('POST', path, { body: 'blob' })).status).to.equal(201)
      expect((await get(`/files/${hexOf(digestOf('blob'))}`)).text).to.equal('plugin not found')
    })

    it('none of it touched the storage', async () => {
      expect(await readdir(registry().storage)).to.have.members(folders)
      expect((await get(`/files/${digest}`)).status).to.equal(200)
    })
  })

  it('a binary whose bytes are gone from the disk -> 404, not a broken answer', async () => {
    const hex = await add('libmemflow_coredump-0.2.0.arm.so')
    const path = join(registry().storage, 'blobs/sha256', hex.slice(0, 2), hex)
    await rename(path, `${path}.moved`)
    const { status, text } = await get(`/files/${hex}`)
    expect(status).to.equal(404)
    expect(text).to.equal('plugin not found')
    await rename(`${path}.moved`, path)
  })

  describe('DELETE /files/{digest}', () => {
    it('-> 200 with an empty body, and the binary is gone from every listing', async () => {
      const hex = await add('libmemflow_pair-0.2.0.x86_64.so')
      const { status, headers, text } = await registry().write('DELETE', `/files/${hex}`)
      expect(status).to.equal(200)
      expect(text).to.equal('')
      expect(headers).to.include({ 'content-length': '0' }).and.not.have.property('content-type')
      expect((await get(`/files/${hex}`)).text).to.equal('plugin not found')
      expect((await get(`/files/${hex}/metadata`)).text).to.equal('plugin not found')
      expect((await get('/plugins')).text).not.to.match(/qemu|win32/)
      expect((await get('/plugins/qemu')).text).to.equal('{"plugins":[],"skip":0}')
      expect((await registry().write('DELETE', `/files/${hex}`)).status).to.equal(404)
    })

    it('by sha256: and the digest -> 200', async () => {
      const hex = await add('libmemflow_coredump-0.2.0.arm64.so')
      expect((await registry().write('DELETE', `/files/sha256:${hex}`)).status).to.equal(200)
    })

    it('by the first digits, seven or more -> 200', async () => {
      for (const digits of [7, 8, 63]) {
        const hex = await add('libmemflow_coredump-0.2.1.arm64.so')
        expect((await registry().write('DELETE', `/files/${hex.slice(0, digits)}`)).status).to.equal(200)
        expect((await get(`/files/${hex}`)).status).to.equal(404)
      }
    })

    it('by fewer -> 404 plugin not found', async () => {
      const answer = await registry().write('DELETE', `/files/${digest.slice(0, 6)}`)
      expect(answer.status).to.equal(404)
      expect(answer.text).to.equal('plugin not found')
      expect((await get(`/files/${digest}`)).status).to.equal(200)
    })

    it('and uploaded again -> is Added, and listed', async () => {
      const { bytes } = plugin('memflow_coredump-0.2.0.x86.dll')
      const hex = await add('memflow_coredump-0.2.0.x86.dll')
      await registry().write('DELETE', `/files/${hex}`)
      const answer = await registry().write('POST', '/files', upload(bytes, sign(bytes)))
      expect(answer.text).to.equal('"Added"')
      expect((await get('/plugins/coredump?architecture=x86')).text).to.include(hex)
    })

    it('without the token -> 401 with a challenge and a text that says what to send', async () => {
      for (const headers of [{}, { authorization: 'Bearer nope' }, { authorization: 'Basic bm9wZTpub3Bl' }]) {
        const answer = await registry().ask('DELETE', `/files/${digest}`, { headers })
        expect(answer.status).to.equal(401)
        expect(answer.headers['www-authenticate']).to.match(/^Bearer realm="/)
        expect(answer.headers['content-type']).to.equal('text/plain; charset=utf-8')
        expect(answer.text).to.match(/^[^\n]*token[^\n]*Authorization[^\n]*$/)
      }
      expect((await get(`/files/${digest}`)).status).to.equal(200)
    })
  })

  it('DELETE by digits that several have -> 400, and none is gone', async () => {
    // Two files whose digests begin alike: bytes behind a binary change its digest and nothing else.
    const seen = new Map<string, Buffer>()
    const pair: Buffer[] = []
    for (let i = 0; pair.length === 0; i++) {
      const padded = Buffer.concat([bytes, Buffer.from(`${i}`)])
      const digits = hexOf(digestOf(padded)).slice(0, 7)
      const other = seen.get(digits)
      if (other) pair.push(other, padded)
      seen.set(digits, padded)
    }
    for (const one of pair) await registry().write('POST', '/files', upload(one, sign(one)))
    const digits = hexOf(digestOf(pair[0] ?? '')).slice(0, 7)
    const answer = await registry().write('DELETE', `/files/${digits}`)
    expect(answer.status).to.equal(400)
    expect((await get(`/files/${digits}`)).status).to.equal(400)
    expect(answer.text).to.equal(`several plugins begin with ${digits}; use more digits`)
    for (const one of pair) expect((await get(`/files/${hexOf(digestOf(one))}`)).status).to.equal(200)
  })
})

import { expect } from 'chai'
import { digestOf, hexOf } from '../../../src/oci/digest.ts'
import { type Answer, Wire } from '../../support/ask.ts'
import { cut, type Form, fieldPart, filePart, form, upload } from '../../support/form.ts'
import { plugin } from '../../support/plugins.ts'
import { type RunningRegistry, serving, startRegistry } from '../../support/server.ts'
import { signer } from '../../support/signer.ts'
import { until } from '../../support/until.ts'

const AUTHORIZED = 'Authorization: Bearer secret'
const BOUNDARY = 'Invalid `boundary` for `multipart/form-data` request'
const MALFORMED = 'Error parsing `multipart/form-data` request'
const UNEXPECTED = 'unexpected field in multipart form'
const NOT_BINARY = 'inventory: not supported'
const NO_FILE = 'file is required'
const NO_SIGNATURE = 'file signature is required'
const BAD_SIGNATURE = 'Signature error: file signature is invalid'
const NOT_EXECUTABLE = 'Memflow error: inventory: file is not a valid executable file'

describe('http/memflow/form', () => {
  const { pem, sign } = signer()
  const registry = serving({ keys: pem })
  const { bytes } = plugin('libmemflow_coredump-0.2.0.x86_64.so')
  const signature = sign(bytes)
  const file = filePart(bytes)
  const signed = fieldPart('signature', signature)
  const text = filePart('#!/bin/sh\necho no binary\n')
  const path = `/files/${hexOf(digestOf(bytes))}`

  const post = (sent: Form, headers: Record<string, string> = {}) =>
    registry().write('POST', '/files', { body: sent.body, headers: { ...sent.headers, ...headers } })

  /** The head alone of a request with a form of so many bytes. */
  const announce = async (length: number, ...more: string[]) =>
    (await Wire.open(registry().url)).head(
      'POST /files HTTP/1.1',
      'Host: x',
      `Content-Type: ${form().headers['content-type']}`,
      `Content-Length: ${length}`,
      ...more,
    )

  function expectRefused(answer: Answer, message: string, status = 400): void {
    expect(answer.text).to.equal(message)
    expect(answer.status).to.equal(status)
    expect(answer.headers['content-type']).to.equal('text/plain; charset=utf-8')
    expect(answer.headers['content-length']).to.equal(String(Buffer.byteLength(message)))
  }

  async function expectNothingLeft(running: RunningRegistry = registry()): Promise<void> {
    await until(async () => (await running.staged()).length === 0)
    expect((await running.ask('GET', path)).status).to.equal(404)
    expect((await running.ask('GET', '/plugins')).text).to.equal('{"plugins":[]}')
    expect((await running.ask('GET', '/v2/_catalog')).json).to.deep.equal({ repositories: [] })
  }

  describe('is refused and leaves nothing:', () => {
    afterEach(() => expectNothingLeft())

    describe('first, the authorization', () => {
      for (const [what, authorization] of [
        ['none', undefined],
        ['a wrong token', 'Bearer nope'],
        ['no token', 'Bearer'],
        ['another scheme', 'Digest secret'],
        ['the token without a scheme', 'secret'],
        ['a wrong password', `Basic ${Buffer.from('user:nope').toString('base64')}`],
        ['the token as the user name', `Basic ${Buffer.from('secret:').toString('base64')}`],
      ] as const) {
        it(`${what} -> 401 with a challenge and one line that says what to send`, async () => {
          const answer = await registry().ask('POST', '/files', {
            headers: { ...(authorization && { authorization }), 'content-type': 'text/plain' },
            body: 'not even a form',
          })
          expect(answer.status).to.equal(401)
          expect(answer.headers['content-type']).to.equal('text/plain; charset=utf-8')
          const realm = `Bearer realm="${registry().url}/token",service="memflow-registry"`
          const error = authorization?.startsWith('Bearer') ? ',error="invalid_token"' : ''
          expect(answer.headers['www-authenticate']).to.equal(realm + error)
          expect(answer.text).to.match(/^[^\n]*token[^\n]*$/)
        })
      }
    })

    describe('then the content type', () => {
      for (const type of [
        undefined,
        '',
        'application/json',
        'application/x-www-form-urlencoded',
        'multipart/form-data',
        'multipart/form-data;',
        'multipart/form-data; charset=utf-8',
        'multipart/mixed; boundary=x',
        'multipart/form-dataa; boundary=x',
      ]) {
        it(`${type} -> 400 ${BOUNDARY}`, async () => {
          const headers = type === undefined ? {} : { 'content-type': type }
          expectRefused(await registry().write('POST', '/files', { headers, body: file.content }), BOUNDARY)
        })
      }
    })

    describe('while reading', () => {
      it('another field -> 400, in whatever place', async () => {
        const other = fieldPart('foo', 'x')
        for (const parts of [[other], [other, file, signed], [file, other, signed], [file, signed, other]]) {
          expectRefused(await post(form(...parts)), UNEXPECTED)
        }
      })

      for (const disposition of [
        'form-data; name="foo"; filename="libmemflow.so"',
        'form-data; name=""',
        'form-data; name="File"',
        'form-data; name="signature2"',
        'form-data; name="__proto__"',
      ]) {
        it(`a part "${disposition}" -> 400 ${UNEXPECTED}`, async () => {
          expectRefused(await post(form({ disposition, content: bytes }, file, signed)), UNEXPECTED)
        })
      }

      it('a file that is no binary -> 400, with a signature or without, before or behind it', async () => {
        for (const parts of [[text], [text, signed], [signed, text]]) {
          expectRefused(await post(form(...parts)), NOT_BINARY)
        }
      })

      it('a text without a file name in the place of the file -> 400, and where the @ belongs', async () => {
        for (const content of ['libmemflow.so', 'a.so', 'x']) {
          const { status, text: told } = await post(form(fieldPart('file', content), signed))
          expect(status).to.equal(400)
          expect(told).to.match(/^inventory: not supported; [^\n]+ file=@PATH/)
        }
      })

      it('the part that comes first is complained of first', async () => {
        expectRefused(await post(form(text, fieldPart('foo', 'x'))), NOT_BINARY)
        expectRefused(await post(form(fieldPart('foo', 'x'), text)), UNEXPECTED)
        expectRefused(await post(form(text, file, signed)), NOT_BINARY)
        expectRefused(await post(form(file, text, signed)), NOT_BINARY)
      })

      it('a file that is no binary -> 400 before the rest has come', async () => {
        const { body } = form(filePart(Buffer.alloc(1_000_000, 'text')))
        const wire = await announce(body.length, AUTHORIZED)
        wire.send(body.subarray(0, 10_000))
        expect(await wire.until(/supported$/)).to.match(
          /^HTTP\/1.1 400 Bad Request\r\n[\s\S]*inventory: not supported$/,
        )
        wire.cut()
      })

      const whole = upload(bytes, signature)
      for (const [what, sent] of [
        ['is empty', cut(whole, 0)],
        ['is no form', { ...whole, body: Buffer.from('hello world') }],
        [
          'has another boundary',
          { ...whole, headers: { 'content-type': 'multipart/form-data; boundary=x' } },
        ],
        ['ends in the first head', cut(whole, 70)],
        ['ends in the file', cut(whole, 1000)],
        ['ends behind the file', cut(form(file), -46)],
        ['ends in the signature', cut(whole, -60)],
        ['has no closing boundary', cut(whole, -46)],
        [
          'has bare line feeds',
          { ...whole, body: Buffer.from(whole.body.toString('latin1').replaceAll('\r\n', '\n')) },
        ],
      ] as const) {
        it(`a body that ${what} -> 400 ${MALFORMED}`, async () => {
          expectRefused(await post(sent), MALFORMED)
        })
      }

      it('a connection that breaks off', async () => {
        const { body } = upload(bytes, signature)
        for (const length of [0, 50, 1000, body.length - 1]) {
          const wire = await announce(body.length, AUTHORIZED)
          await wire.sent(body.subarray(0, length))
          // The file's first bytes are in the first thousand.
          if (length >= 1000) await until(async () => (await registry().staged()).length === 1)
          wire.cut()
          await expectNothingLeft()
        }
      })

      it('more files than anybody sends -> 400', async () => {
        const answer = await post(form(...Array.from({ length: 101 }, () => filePart('\x7fELF')), signed))
        expectRefused(answer, 'the form has too many files')
      })
    })

    describe('then what is missing', () => {
      it('no file -> 400, whatever the signature', async () => {
        expectRefused(await post(form()), NO_FILE)
        expectRefused(await post(form(signed)), NO_FILE)
        expectRefused(await post(form(fieldPart('signature', 'zz'))), NO_FILE)
      })

      it('no signature -> 400, whatever the file', async () => {
        expectRefused(await post(form(file)), NO_SIGNATURE)
        expectRefused(await post(form(filePart(''))), NO_SIGNATURE)
        expectRefused(await post(form(filePart('\x7fELF but broken'))), NO_SIGNATURE)
      })
    })

    describe('then the signature', () => {
      const another = sign(plugin('libmemflow_coredump-0.2.0.arm64.so').bytes)
      for (const [what, wrong] of [
        ['empty', ''],
        ['no hex', 'zz'],
        ['of another file', another],
        ['with a line end', `${signature}\n`],
        ['cut off', signature.slice(0, -2)],
        ['with bytes behind it', `${signature}00`],
        ['very long', '30'.repeat(100_000)],
      ] as const) {
        it(`${what} -> 400 ${BAD_SIGNATURE}`, async () => {
          expectRefused(await post(upload(bytes, wrong)), BAD_SIGNATURE)
          expectRefused(await post(form(fieldPart('signature', wrong), file)), BAD_SIGNATURE)
        })
      }

      it('of a file that is broken too -> the signature is complained of', async () => {
        expectRefused(await post(upload('\x7fELF but broken', signature)), BAD_SIGNATURE)
      })

      it('two of them: the last counts', async () => {
        expectRefused(await post(form(signed, file, fieldPart('signature', 'zz'))), BAD_SIGNATURE)
      })

      it('for the first of two files: the last counts', async () => {
        expectRefused(await post(form(file, filePart('\x7fELF but broken'), signed)), BAD_SIGNATURE)
      })
    })

    describe('then what is in the file', () => {
      for (const [what, content, message] of [
        ['an ELF that is cut off', bytes.subarray(0, 200), NOT_EXECUTABLE],
        ['no more than a magic number', Buffer.from('\x7fELF'), NOT_EXECUTABLE],
        ['an MZ with nothing behind it', Buffer.from(`MZ${'\0'.repeat(100)}`), NOT_EXECUTABLE],
        [
          'a library without a plugin',
          plugin('libplain.x86_64.so').bytes,
          'Memflow error: inventory: not found: the file exports no plugin: no symbol MEMFLOW_CONNECTOR_… or MEMFLOW_OS_…',
        ],
      ] as const) {
        it(`${what} -> 400 ${message}`, async () => {
          expectRefused(await post(upload(content, sign(content))), message)
        })
      }
    })

    describe('the size', () => {
      const limit = 20 * 2 ** 20
      const large = `the request is larger than the ${limit} bytes that a plugin may have here`

      it('declared above 20 MiB -> 413 with the reason, before a byte of it has come', async () => {
        const wire = await announce(limit + 1, AUTHORIZED)
        const received = await wire.until(/here$/)
        expect(received)
          .to.match(/^HTTP\/1.1 413 Payload Too Large\r\n/)
          .and.to.include(large)
        wire.cut()
      })

      it('declared above 20 MiB, the client waits for 100 Continue -> 413 and no 100', async () => {
        const wire = await announce(limit + 1, AUTHORIZED, 'Expect: 100-continue')
        expect(await wire.end()).to.match(/^HTTP\/1.1 413 Payload Too Large\r\n[\s\S]*Connection: close\r\n/)
      })

      it('a wrong content type goes before it', async () => {
        const wire = await Wire.open(registry().url)
        const lines = ['Host: x', 'Content-Type: text/plain', `Content-Length: ${limit + 1}`]
        wire.head('POST /files HTTP/1.1', AUTHORIZED, ...lines)
        expect(await wire.until(/request$/)).to.include(BOUNDARY)
        wire.cut()
      })

      it('chunked and more than 20 MiB -> 413 while it comes', async () => {
        const { headers, body } = upload('', '')
        const head = body.subarray(0, body.indexOf('\r\n\r\n') + 4)
        const chunks = [
          head,
          Buffer.from('\x7fELF'),
          ...Array.from({ length: 25 }, () => Buffer.alloc(2 ** 20)),
        ]
        expectRefused(await registry().write('POST', '/files', { headers, body: chunks }), large, 413)
      })

      it('unauthorized, the client waits for 100 Continue -> 401 and no 100', async () => {
        const wire = await announce(1000, 'Expect: 100-continue')
        expect(await wire.end()).to.match(/^HTTP\/1.1 401 Unauthorized\r\n/)
      })
    })
  })

  it('body of exactly the limit -> 200; one byte more -> 413', async () => {
    const sent = upload(bytes, signature)
    const options = { body: sent.body, headers: sent.headers }
    for (const [maxPluginSize, status] of [
      [sent.body.length - 1, 413],
      [sent.body.length, 200],
    ] as const) {
      const small = await startRegistry({ keys: pem, policy: { maxPluginSize } })
      try {
        const answer = await small.write('POST', '/files', options)
        expect(answer.status, answer.text).to.equal(status)
        const { body } = sent
        const chunked = await small.write('POST', '/files', { ...options, body: [body] })
        expect(chunked.status, chunked.text).to.equal(status)
        expect(await small.staged()).to.deep.equal([])
        if (status === 413) await expectNothingLeft(small)
      } finally {
        await small.close()
      }
    }
  })

  describe('is taken:', () => {
    afterEach(async () => {
      expect(await registry().staged()).to.deep.equal([])
      expect((await registry().ask('GET', path)).bytes.equals(bytes)).to.equal(true)
      expect((await registry().write('DELETE', path)).status).to.equal(200)
    })

    async function expectAdded(answer: Answer): Promise<void> {
      expect(answer.text).to.equal('"Added"')
      expect(answer.status).to.equal(200)
      expect(answer.headers).to.include({ 'content-type': 'application/json', 'content-length': '7' })
    }

    it('file and signature -> "Added", and then "AlreadyExists"', async () => {
      await expectAdded(await post(upload(bytes, signature)))
      const again = await post(upload(bytes, signature))
      expect(again.status).to.equal(200)
      expect(again.text).to.equal('"AlreadyExists"')
      expect(again.headers['content-type']).to.equal('application/json')
    })

    it('the same file by another signature -> "AlreadyExists", and the first one stays', async () => {
      await post(upload(bytes, signature))
      const other = sign(bytes)
      expect(other).not.to.equal(signature)
      expect((await post(upload(bytes, other))).text).to.equal('"AlreadyExists"')
      expect((await registry().ask('GET', `${path}/metadata`)).text).to.include(signature)
      expectRefused(await post(upload(bytes, 'zz')), BAD_SIGNATURE)
    })

    it('the signature first -> "Added"', async () => {
      await expectAdded(await post(form(signed, file)))
    })

    it('the signature in upper case, as memflowup sends it -> stored as it was sent', async () => {
      await expectAdded(await post(upload(bytes, signature.toUpperCase())))
      expect((await registry().ask('GET', `${path}/metadata`)).text).to.include(signature.toUpperCase())
    })

    for (const [what, disposition, headers] of [
      ['a file without a file name', 'form-data; name="file"', []],
      ['a file name that is a path', 'form-data; name="file"; filename="../../../etc/passwd"', []],
      ['a file name in UTF-8', 'form-data; name="file"; filename*=UTF-8\'\'%e2%82%ac.so', []],
      ['a name without quotes', 'form-data; name=file', []],
      ['a part of any type', 'form-data; name="file"', ['Content-Type: application/json; charset=utf-16']],
      [
        'a transfer encoding, which is not for here',
        'form-data; name="file"',
        ['Content-Transfer-Encoding: base64'],
      ],
    ] as const) {
      it(`${what} -> "Added"`, async () => {
        await expectAdded(await post(form({ disposition, headers, content: bytes }, signed)))
      })
    }

    it('a signature that is sent as a file -> "Added"', async () => {
      const disposition = 'form-data; name="signature"; filename="signature.txt"'
      const headers = ['Content-Type: application/octet-stream']
      await expectAdded(await post(form(file, { disposition, headers, content: signature })))
    })

    it('parts without a name, however many -> are skipped', async () => {
      const nameless = { disposition: 'form-data', content: 'x' }
      const bare = { content: 'x' }
      const crowd = Array.from({ length: 300 }, () => nameless)
      await expectAdded(await post(form(nameless, file, bare, ...crowd, signed, nameless)))
    })

    it('of repeated fields the last counts', async () => {
      const other = filePart(plugin('libmemflow_coredump-0.2.0.arm64.so').bytes)
      const wrong = Array.from({ length: 150 }, () => fieldPart('signature', 'zz'))
      await expectAdded(await post(form(other, ...wrong, file, signed)))
      expect((await registry().ask('GET', '/plugins/coredump')).json).to.have.nested.property(
        'plugins.length',
        1,
      )
    })

    it('text before and behind the form -> is skipped', async () => {
      const { headers, body } = upload(bytes, signature)
      const wrapped = Buffer.concat([Buffer.from('preamble\r\n'), body, Buffer.from('epilogue')])
      await expectAdded(await post({ headers, body: wrapped }))
    })

    it('a content type in another case, a boundary in quotes -> "Added"', async () => {
      const { headers, body } = upload(bytes, signature)
      const boundary = headers['content-type'].split('=')[1]
      for (const type of [
        `Multipart/Form-Data; Boundary=${boundary}`,
        `multipart/form-data; charset=utf-8; boundary="${boundary}"`,
      ]) {
        const answer = await registry().write('POST', '/files', { headers: { 'content-type': type }, body })
        expect(answer.text).to.match(/^"(Added|AlreadyExists)"$/)
      }
    })

    it('a chunked body, byte by byte around the boundaries -> "Added"', async () => {
      const { headers, body } = upload(bytes, signature)
      const edge = body.length - 300
      const chunks = [body.subarray(0, edge), ...Array.from(body.subarray(edge), byte => Buffer.of(byte))]
      await expectAdded(await registry().write('POST', '/files', { headers, body: chunks }))
    })

    it('Expect: 100-continue -> 100 first, then the answer', async () => {
      const { body } = upload(bytes, signature)
      const wire = await announce(body.length, 'authorization: bearer secret', 'Expect: 100-continue')
      expect(await wire.until(/\r\n\r\n/)).to.equal('HTTP/1.1 100 Continue\r\n\r\n')
      wire.send(body)
      expect(await wire.until(/Added/)).to.match(/\r\n\r\nHTTP\/1.1 200 OK\r\n[\s\S]*"Added"$/)
      wire.cut()
    })

    for (const authorization of [
      'bearer secret',
      'BEARER  secret',
      `Basic ${Buffer.from('anybody:secret').toString('base64')}`,
      `basic ${Buffer.from(':secret').toString('base64')}`,
    ]) {
      it(`by Authorization: ${authorization} -> "Added"`, async () => {
        await expectAdded(await post(upload(bytes, signature), { authorization }))
      })
    }

    it('by eight clients at once -> one "Added", seven "AlreadyExists"', async () => {
      const answers = await Promise.all(Array.from({ length: 8 }, () => post(upload(bytes, signature))))
      const texts = answers.map(({ text }) => text).sort()
      expect(texts).to.deep.equal(['"Added"', ...Array.from({ length: 7 }, () => '"AlreadyExists"')])
    })
  })

  it('without keys: any signature is stored as it came, none is refused', async () => {
    const open = await startRegistry()
    try {
      expect((await open.write('POST', '/files', upload(bytes, 'no signature'))).text).to.equal('"Added"')
      expect((await open.ask('GET', `${path}/metadata`)).json).to.have.property('signature', 'no signature')
      expectRefused(await open.write('POST', '/files', form(file)), NO_SIGNATURE)
    } finally {
      await open.close()
    }
  })
})

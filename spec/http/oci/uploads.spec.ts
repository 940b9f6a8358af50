import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { digestOf } from '../../../src/oci/digest.ts'
import { type Answer, Wire } from '../../support/ask.ts'
import { pushBlob, sessionPath } from '../../support/oci.ts'
import { isOpen } from '../../support/open-files.ts'
import { serving, startRegistry } from '../../support/server.ts'
import { storages } from '../../support/storage.ts'
import { until } from '../../support/until.ts'

describe('http/oci/uploads', () => {
  const registry = serving()
  const fresh = storages()
  const abc = digestOf('abc')

  function location(answer: Answer): string {
    expect(answer.headers.location).to.match(/^\/v2\/[a-z/]+\/blobs\/uploads\/[0-9a-f-]{36}\?_state=open$/)
    return sessionPath(answer)
  }

  async function begin(repository = 'a'): Promise<string> {
    return location(await registry().write('POST', `/v2/${repository}/blobs/uploads/`))
  }

  function patch(at: string, body: string, range?: string): Promise<Answer> {
    return registry().write('PATCH', at, { body, headers: { ...(range && { 'content-range': range }) } })
  }

  function put(at: string, digest: string, body = '', range?: string): Promise<Answer> {
    return registry().write('PUT', `${at}?digest=${digest}`, {
      body,
      headers: { ...(range && { 'content-range': range }) },
    })
  }

  /** Waits until the body of a request is being taken, and what was sent of it before is. */
  async function receiving(at: string): Promise<void> {
    await until(() => isOpen(at.split('/').at(-1) ?? '?'))
    expect((await registry().ask('GET', '/health')).status).to.equal(200)
  }

  async function stored(digest: string, repository = 'a'): Promise<string> {
    const answer = await registry().ask('GET', `/v2/${repository}/blobs/${digest}`)
    return answer.status === 200 ? answer.text : `${answer.status}`
  }

  function expectCreated(answer: Answer, digest: string, repository = 'a'): void {
    expect(answer.status, answer.text).to.equal(201)
    expect(answer.text).to.equal('')
    expect(answer.headers).to.include({
      location: `/v2/${repository}/blobs/${digest}`,
      'docker-content-digest': digest,
      'content-length': '0',
    })
    expect(answer.headers).not.to.have.property('content-type')
  }

  describe('POST', () => {
    for (const path of ['/v2/a/blobs/uploads/', '/v2/a/blobs/uploads']) {
      it(`${path} -> 202 with where to go on, and no body`, async () => {
        const answer = await registry().write('POST', path)
        expect(answer.status).to.equal(202)
        expect(answer.text).to.equal('')
        expect(answer.headers).to.include({ 'content-length': '0', range: '0-0' })
        expect(answer.headers['docker-upload-uuid']).to.equal(location(answer).split('/').at(-1))
      })
    }

    it('with ?digest= -> 201, the whole blob in one request', async () => {
      expectCreated(
        await registry().write('POST', `/v2/a/blobs/uploads/?digest=${abc}`, { body: 'abc' }),
        abc,
      )
      expect(await stored(abc)).to.equal('abc')
    })

    it('with ?digest= of other bytes -> 400 DIGEST_INVALID, and nothing stays', async () => {
      const before = await registry().staged()
      const digest = digestOf('other')
      const answer = await registry().write('POST', `/v2/a/blobs/uploads/?digest=${digest}`, { body: 'abc' })
      expect(answer.status).to.equal(400)
      expect(answer.code).to.equal('DIGEST_INVALID')
      expect(await stored(digest)).to.equal('404')
      expect(await registry().staged()).to.deep.equal(before)
    })

    for (const digest of ['', 'x', 'sha256:abc', `md5:${'0'.repeat(32)}`, `sha256:${'A'.repeat(64)}`]) {
      it(`with ?digest=${digest.slice(0, 20)} -> 400 DIGEST_INVALID`, async () => {
        const answer = await registry().write('POST', `/v2/a/blobs/uploads/?digest=${digest}`, {
          body: 'abc',
        })
        expect(answer.status).to.equal(400)
        expect(answer.code).to.equal('DIGEST_INVALID')
      })
    }

    it('with the digest of an empty blob and no body -> 201', async () => {
      const digest = digestOf('')
      expectCreated(await registry().write('POST', `/v2/a/blobs/uploads/?digest=${digest}`), digest)
      expect(await stored(digest)).to.equal('')
    })

    it('without the token -> 401 with a challenge for pull and push, and no session', async () => {
      const before = await registry().staged()
      const answer = await registry().ask('POST', '/v2/a/b/blobs/uploads/')
      expect(answer.status).to.equal(401)
      expect(answer.code).to.equal('UNAUTHORIZED')
      expect(answer.headers['www-authenticate']).to.include('scope="repository:a/b:pull,push"')
      expect(await registry().staged()).to.deep.equal(before)
    })
  })

  describe('POST and PUT', () => {
    it('PUT with the body -> 201', async () => {
      const bytes = randomBytes(2_000_000)
      const digest = digestOf(bytes)
      const answer = await registry().write('PUT', `${await begin()}?digest=${digest}`, { body: bytes })
      expectCreated(answer, digest)
      expect((await registry().ask('GET', `/v2/a/blobs/${digest}`)).bytes).to.deep.equal(bytes)
    })

    it('PUT of a chunked body, without a length -> 201', async () => {
      const chunks = [Buffer.from('a'), Buffer.from('b'), Buffer.from('c')]
      expectCreated(await registry().write('PUT', `${await begin()}?digest=${abc}`, { body: chunks }), abc)
    })

    it('PUT without ?digest= -> 400 DIGEST_INVALID, and the session goes on', async () => {
      const at = await begin()
      const answer = await registry().write('PUT', at, { body: 'abc' })
      expect(answer.status).to.equal(400)
      expect(answer.code).to.equal('DIGEST_INVALID')
      expect((await registry().write('GET', at)).status).to.equal(204)
    })

    it('PUT of other bytes -> 400 DIGEST_INVALID, and no blob', async () => {
      const answer = await put(await begin(), digestOf('xyz'), 'abc')
      expect(answer.status).to.equal(400)
      expect(answer.code).to.equal('DIGEST_INVALID')
      expect(await stored(digestOf('xyz'))).to.equal('404')
    })

    it('after the PUT the session -> 404 BLOB_UPLOAD_UNKNOWN', async () => {
      const at = await begin()
      await put(at, abc, 'abc')
      for (const answer of [
        await registry().write('GET', at),
        await patch(at, 'x'),
        await put(at, abc, 'abc'),
      ]) {
        expect(answer.status).to.equal(404)
        expect(answer.code).to.equal('BLOB_UPLOAD_UNKNOWN')
      }
    })
  })

  describe('in chunks', () => {
    it('PATCH, PATCH, PUT -> 202, 202, 201 with Range and Location on the way', async () => {
      const at = await begin()
      const first = await patch(at, 'hello ', '0-5')
      expect(first.status).to.equal(202)
      expect(first.text).to.equal('')
      expect(first.headers).to.include({ range: '0-5', 'content-length': '0' })
      const second = await patch(location(first), 'wor', '6-8')
      expect(second.headers.range).to.equal('0-8')
      const digest = digestOf('hello world')
      expectCreated(await put(location(second), digest, 'ld', '9-10'), digest)
      expect(await stored(digest)).to.equal('hello world')
    })

    it('PATCH without Content-Range goes on where the upload ends', async () => {
      const at = await begin()
      await patch(at, 'ab')
      expect((await patch(at, 'c')).headers.range).to.equal('0-2')
      expectCreated(await put(at, abc), abc)
    })

    it('GET -> 204 with Range, also before the first byte', async () => {
      const at = await begin()
      for (const range of ['0-0', '0-2']) {
        const answer = await registry().write('GET', at)
        expect(answer.status).to.equal(204)
        expect(answer.headers).to.include({ range, location: `${at}?_state=open` })
        expect(answer.text).to.equal('')
        await patch(at, 'abc')
      }
    })

    for (const [what, range, body] of [
      ['a gap', '4-6', 'def'],
      ['a repetition', '0-2', 'abc'],
      ['an overlap', '2-4', 'cde'],
    ] as const) {
      it(`PATCH with ${what} -> 416 with Range and Location, and the session goes on`, async () => {
        const at = await begin()
        await patch(at, 'abc', '0-2')
        const answer = await patch(at, body, range)
        expect(answer.status).to.equal(416)
        expect(answer.code).to.equal('BLOB_UPLOAD_INVALID')
        expect(answer.headers).to.include({
          range: '0-2',
          location: `${at}?_state=open`,
          'content-type': 'application/json',
        })
        expectCreated(await put(at, digestOf('abcdef'), 'def', '3-5'), digestOf('abcdef'))
      })

      it(`PUT with ${what} -> 416 with Range and Location, and the session goes on`, async () => {
        const at = await begin()
        await patch(at, 'abc', '0-2')
        const answer = await put(at, digestOf(`abc${body}`), body, range)
        expect(answer.status).to.equal(416)
        expect(answer.headers).to.include({ range: '0-2', location: `${at}?_state=open` })
        expectCreated(await put(at, abc), abc)
      })
    }

    it('a first chunk that does not begin at 0 -> 416 with Range: 0-0', async () => {
      const answer = await patch(await begin(), 'abc', '1-3')
      expect(answer.status).to.equal(416)
      expect(answer.headers.range).to.equal('0-0')
    })

    for (const range of ['x', '0', '2-0', '-1', '0-', 'bytes 0-2/3', '0-2/3', '99999999999999999999-0']) {
      it(`PATCH with Content-Range: ${range} -> 400 BLOB_UPLOAD_INVALID`, async () => {
        const answer = await patch(await begin(), 'abc', range)
        expect(answer.status).to.equal(400)
        expect(answer.code).to.equal('BLOB_UPLOAD_INVALID')
      })
    }

    it('PATCH with a Content-Range of another length than the body -> 400 SIZE_INVALID, and nothing is taken', async () => {
      const at = await begin()
      const answer = await patch(at, 'abc', '0-3')
      expect(answer.status).to.equal(400)
      expect(answer.code).to.equal('SIZE_INVALID')
      expect((await registry().write('GET', at)).headers.range).to.equal('0-0')
    })

    it('a connection that breaks off: what came in stays, and the client goes on behind it', async () => {
      const at = await begin()
      const wire = await Wire.open(registry().url)
      wire
        .head(`PATCH ${at} HTTP/1.1`, 'Host: x', 'Authorization: Bearer secret', 'Content-Length: 1000')
        .send('ab')
      await receiving(at)
      wire.cut()
      await until(async () => (await registry().write('GET', at)).headers.range === '0-1')
      // 416 until the server has noticed that the connection is gone.
      const answer = await until(async () => {
        const tried = await put(at, abc, 'c', '2-2')
        return tried.status === 416 ? undefined : tried
      })
      expectCreated(answer, abc)
    })

    it('two writers at once -> 202 for one, 416 for the other', async () => {
      const at = await begin()
      const wire = await Wire.open(registry().url)
      wire
        .head(`PATCH ${at} HTTP/1.1`, 'Host: x', 'Authorization: Bearer secret', 'Content-Length: 3')
        .send('ab')
      await receiving(at)
      expect((await patch(at, 'abc')).status).to.equal(416)
      wire.send('c')
      await wire.until(/HTTP\/1.1 202/)
      wire.cut()
      expectCreated(await put(at, abc), abc)
    })
  })

  describe('DELETE', () => {
    it('-> 204, and the session is gone', async () => {
      const before = await registry().staged()
      const at = await begin()
      await patch(at, 'abc')
      const answer = await registry().write('DELETE', at)
      expect(answer.status).to.equal(204)
      expect(answer.text).to.equal('')
      for (const method of ['GET', 'DELETE']) {
        expect((await registry().write(method, at)).code).to.equal('BLOB_UPLOAD_UNKNOWN')
      }
      expect(await registry().staged()).to.deep.equal(before)
    })
  })

  describe('a session', () => {
    it('of another repository -> 404 BLOB_UPLOAD_UNKNOWN, whatever is done with it', async () => {
      const at = (await begin('a')).replace('/v2/a/', '/v2/b/')
      for (const answer of [
        await registry().write('GET', at),
        await patch(at, 'abc'),
        await put(at, abc, 'abc'),
        await registry().write('DELETE', at),
      ]) {
        expect(answer.status).to.equal(404)
        expect(answer.code).to.equal('BLOB_UPLOAD_UNKNOWN')
      }
      expect((await registry().write('GET', at.replace('/v2/b/', '/v2/a/'))).status).to.equal(204)
    })

    for (const id of ['x', '00000000-0000-0000-0000-000000000000', '..', '%2e%2e', 'a'.repeat(300), '%00']) {
      it(`that never was (${id.slice(0, 40)}) -> 404 BLOB_UPLOAD_UNKNOWN`, async () => {
        const answer = await patch(`/v2/a/blobs/uploads/${id}`, 'abc')
        expect(answer.status).to.equal(404)
        expect(answer.code).to.equal('BLOB_UPLOAD_UNKNOWN')
      })
    }

    it('is nobody else’s to see: GET without the token -> 401', async () => {
      expect((await registry().ask('GET', await begin())).status).to.equal(401)
    })

    it('outlives a restart', async () => {
      const folder = registry().storage
      const at = await begin()
      await patch(at, 'ab')
      // A second registry on the same folder would be refused; the store alone is what a restart finds.
      const { FsBlobStore } = await import('../../../src/store/fs-store.ts')
      const ids = (await registry().staged()).filter(id => id.startsWith(at.split('/').at(-1) ?? '?'))
      expect(ids).to.have.length(1)
      expect((await (await FsBlobStore.open(folder)).resume(ids[0] ?? ''))?.size).to.equal(2)
    })
  })

  it('a session that nobody goes on with -> 404 after its time, and its bytes are gone', async () => {
    const storage = await fresh()
    const patient = await startRegistry({ storage })
    const { headers } = await patient.write('POST', '/v2/a/blobs/uploads/')
    const at = headers.location ?? ''
    await patient.write('PATCH', at, { body: 'abc' })
    expect((await patient.write('GET', at)).headers.range).to.equal('0-2')
    await patient.close()
    const hasty = await startRegistry({ storage, policy: { uploadTtl: 100 } })
    try {
      await until(async () => (await hasty.staged()).length === 0)
      expect((await hasty.write('GET', at)).code).to.equal('BLOB_UPLOAD_UNKNOWN')
    } finally {
      await hasty.close()
    }
  })

  it('a client that appends &digest= to the Location, and one that sets it as a parameter, finish their uploads', async () => {
    for (const append of [
      (at: string) => `${at}&digest=${abc}`,
      (at: string) => {
        const url = new URL(at, registry().url)
        url.searchParams.set('digest', abc)
        return url.pathname + url.search
      },
    ]) {
      const { headers } = await registry().write('POST', '/v2/a/blobs/uploads/')
      const patched = await patch(headers.location ?? '', 'abc')
      expectCreated(await registry().write('PUT', append(patched.headers.location ?? '')), abc, 'a')
    }
  })

  describe('mount', () => {
    const mount = (query: string) => registry().write('POST', `/v2/target/blobs/uploads/?${query}`)

    it('of a blob of the named repository -> 201', async () => {
      const { digest } = await pushBlob(registry(), 'source', 'to be mounted')
      expectCreated(await mount(`mount=${digest}&from=source`), digest, 'target')
      expect(await stored(digest, 'target')).to.equal('to be mounted')
    })

    it('of a blob of any repository, where none is named -> 201', async () => {
      const { digest } = await pushBlob(registry(), 'source', 'mounted from anywhere')
      expectCreated(await mount(`mount=${digest}`), digest, 'target')
    })

    it('of a blob that the named repository does not hold -> 202, an upload begins', async () => {
      const { digest } = await pushBlob(registry(), 'source', 'held by source alone')
      for (const query of [
        `mount=${digest}&from=elsewhere`,
        `mount=${digestOf('nobody has it')}&from=source`,
      ]) {
        const answer = await mount(query)
        expect(answer.status).to.equal(202)
        expect(answer.headers.location).to.match(/^\/v2\/target\/blobs\/uploads\//)
      }
      expect(await stored(digest, 'target')).to.equal('404')
    })

    it('of what is no digest, or from what is no repository -> 202, an upload begins', async () => {
      for (const query of [
        'mount=x&from=source',
        `mount=${abc}&from=../source`,
        'mount=&from=',
        `mount=${abc}&from=`,
      ])
        expect((await mount(query)).status, query).to.equal(202)
    })
  })

  describe('sha512', () => {
    const bytes = Buffer.from('hashed longer')
    const digest = digestOf(bytes, 'sha512')

    it('POST with ?digest=, and PUT, with and without ?digest-algorithm= -> 201', async () => {
      const one = await registry().write('POST', `/v2/one/blobs/uploads/?digest=${digest}`, { body: bytes })
      expectCreated(one, digest, 'one')
      for (const query of ['', '?digest-algorithm=sha512', '?digest-algorithm=sha256']) {
        const at = location(await registry().write('POST', `/v2/two/blobs/uploads/${query}`))
        await registry().write('PATCH', at, { body: bytes.subarray(0, 5) })
        const answer = await registry().write('PUT', `${at}?digest=${digest}`, { body: bytes.subarray(5) })
        expectCreated(answer, digest, 'two')
      }
      expect(await stored(digest, 'two')).to.equal('hashed longer')
    })

    it('an unknown ?digest-algorithm= -> 400', async () => {
      for (const name of ['md5', 'constructor', '']) {
        const answer = await registry().write('POST', `/v2/a/blobs/uploads/?digest-algorithm=${name}`)
        expect(answer.status).to.equal(400)
        expect(answer.code).to.equal('DIGEST_INVALID')
      }
    })
  })

  it('a blob above the limit -> 413 SIZE_INVALID; one of exactly the limit -> 201', async () => {
    const small = await startRegistry({ policy: { maxBlobSize: 1000 } })
    try {
      const fits = Buffer.alloc(1000)
      const post = (body: Buffer) =>
        small.write('POST', `/v2/a/blobs/uploads/?digest=${digestOf(body)}`, { body })
      expect((await post(fits)).status).to.equal(201)
      const answer = await post(Buffer.alloc(1001))
      expect(answer.status).to.equal(413)
      expect(answer.code).to.equal('SIZE_INVALID')
      expect(await small.staged()).to.deep.equal([])
    } finally {
      await small.close()
    }
  })
})

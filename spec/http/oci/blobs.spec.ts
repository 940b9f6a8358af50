import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { digestOf } from '../../../src/oci/digest.ts'
import { pushBlob } from '../../support/oci.ts'
import { serving } from '../../support/server.ts'

describe('http/oci/blobs', () => {
  const registry = serving()
  const bytes = randomBytes(300_000)
  const digest = digestOf(bytes)
  const path = `/v2/a/b/blobs/${digest}`

  before(async () => {
    await pushBlob(registry(), 'a/b', bytes)
  })

  it('GET -> 200 with the bytes and what they are', async () => {
    const { status, headers, bytes: body } = await registry().ask('GET', path)
    expect(status).to.equal(200)
    expect(body).to.deep.equal(bytes)
    expect(headers).to.include({
      'content-type': 'application/octet-stream',
      'content-length': '300000',
      'docker-content-digest': digest,
      etag: `"${digest}"`,
      'accept-ranges': 'bytes',
      'cache-control': 'public, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
    })
    expect(headers).not.to.have.property('transfer-encoding')
  })

  it('HEAD -> 200 with the headers of GET and no body', async () => {
    const { date: _, 'x-request-id': __, ...get } = (await registry().ask('GET', path)).headers
    const head = await registry().ask('HEAD', path)
    expect(head.status).to.equal(200)
    expect(head.headers).to.deep.include(get)
    expect(head.bytes).to.have.length(0)
  })

  for (const [range, first, last] of [
    ['bytes=0-0', 0, 0],
    ['bytes=0-299999', 0, 299_999],
    ['bytes=100-199', 100, 199],
    ['bytes=299999-', 299_999, 299_999],
    ['bytes=1000-9999999', 1000, 299_999],
    ['bytes=-1', 299_999, 299_999],
    ['bytes=-9999999', 0, 299_999],
    ['BYTES=5-6', 5, 6],
  ] as const) {
    it(`GET with Range: ${range} -> 206, ${first} to ${last}`, async () => {
      const { status, headers, bytes: body } = await registry().ask('GET', path, { headers: { range } })
      expect(status).to.equal(206)
      expect(headers['content-range']).to.equal(`bytes ${first}-${last}/300000`)
      expect(headers['content-length']).to.equal(String(last - first + 1))
      expect(body).to.deep.equal(bytes.subarray(first, last + 1))
    })
  }

  for (const range of ['bytes=300000-', 'bytes=300000-300001', 'bytes=-0', 'bytes=99999999999999999999-']) {
    it(`GET with Range: ${range} -> 416`, async () => {
      const answer = await registry().ask('GET', path, { headers: { range } })
      expect(answer.status).to.equal(416)
      expect(answer.headers['content-range']).to.equal('bytes */300000')
      expect(answer.headers['content-type']).to.equal('application/json')
      expect(answer.headers).not.to.have.any.keys('etag', 'cache-control')
      expect(answer.code).to.equal('SIZE_INVALID')
    })
  }

  for (const range of ['bytes=0-1,a', 'items=0-1', 'bytes', 'bytes=-', 'bytes=a-b', '']) {
    it(`GET with Range: "${range}" -> 200 with all of it`, async () => {
      const { status, bytes: body } = await registry().ask('GET', path, { headers: { range } })
      expect(status).to.equal(200)
      expect(body).to.have.length(300_000)
    })
  }

  it('HEAD ignores Range, which is for GET alone', async () => {
    const { status, headers } = await registry().ask('HEAD', path, { headers: { range: 'bytes=0-9' } })
    expect(status).to.equal(200)
    expect(headers['content-length']).to.equal('300000')
  })

  it('GET with Range and If-Range -> the part where it is the same content, else all', async () => {
    const ranged = (etag: string) =>
      registry().ask('GET', path, { headers: { range: 'bytes=0-9', 'if-range': etag } })
    expect((await ranged(`"${digest}"`)).status).to.equal(206)
    expect((await ranged('"another"')).status).to.equal(200)
    expect((await ranged(`W/"${digest}"`)).status).to.equal(200)
  })

  for (const condition of ['"DIGEST"', 'W/"DIGEST"', '"x", "DIGEST"', '*']) {
    it(`GET and HEAD with If-None-Match: ${condition} -> 304 without a body`, async () => {
      const headers = { 'if-none-match': condition.replace('DIGEST', digest) }
      for (const method of ['GET', 'HEAD']) {
        const answer = await registry().ask(method, path, { headers })
        expect(answer.status).to.equal(304)
        expect(answer.bytes).to.have.length(0)
        expect(answer.headers.etag).to.equal(`"${digest}"`)
        expect(answer.headers).not.to.have.any.keys('content-type', 'content-length')
      }
    })
  }

  it('GET with If-None-Match of another digest -> 200', async () => {
    const headers = { 'if-none-match': `"${digestOf('x')}"` }
    expect((await registry().ask('GET', path, { headers })).status).to.equal(200)
  })

  it('an empty blob -> 200 with Content-Length: 0', async () => {
    const { digest } = await pushBlob(registry(), 'a/b', '')
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, bytes } = await registry().ask(method, `/v2/a/b/blobs/${digest}`)
      expect(status).to.equal(200)
      expect(headers['content-length']).to.equal('0')
      expect(bytes).to.have.length(0)
    }
    const ranged = await registry().ask('GET', `/v2/a/b/blobs/${digest}`, { headers: { range: 'bytes=0-0' } })
    expect(ranged.status).to.equal(416)
  })

  it('a blob of another repository -> 404 BLOB_UNKNOWN', async () => {
    for (const method of ['GET', 'HEAD', 'DELETE']) {
      const answer = await registry().write(method, `/v2/a/c/blobs/${digest}`)
      expect(answer.status).to.equal(404)
      if (method !== 'HEAD') expect(answer.code).to.equal('BLOB_UNKNOWN')
      expect(answer.headers).not.to.have.property('etag')
    }
  })

  it('a blob by the digest of the algorithm that it was not pushed with -> 404', async () => {
    const { status } = await registry().ask('GET', `/v2/a/b/blobs/${digestOf(bytes, 'sha512')}`)
    expect(status).to.equal(404)
  })

  it('DELETE -> 202 without a body, then GET -> 404; the other repository keeps it', async () => {
    const { digest } = await pushBlob(registry(), 'gone', 'to be deleted')
    await pushBlob(registry(), 'kept', 'to be deleted')
    const deleted = await registry().write('DELETE', `/v2/gone/blobs/${digest}`)
    expect(deleted.status).to.equal(202)
    expect(deleted.text).to.equal('')
    expect(deleted.headers).to.include({ 'content-length': '0' }).and.not.have.property('content-type')
    expect((await registry().ask('GET', `/v2/gone/blobs/${digest}`)).code).to.equal('BLOB_UNKNOWN')
    expect((await registry().write('DELETE', `/v2/gone/blobs/${digest}`)).status).to.equal(404)
    expect((await registry().ask('GET', `/v2/kept/blobs/${digest}`)).text).to.equal('to be deleted')
  })

  it('DELETE without the token -> 401 with a challenge for the right to delete', async () => {
    const answer = await registry().ask('DELETE', path)
    expect(answer.status).to.equal(401)
    expect(answer.headers['www-authenticate']).to.include('scope="repository:a/b:delete"')
    expect((await registry().ask('HEAD', path)).status).to.equal(200)
  })

  it('a small one -> the same: whole, as often as it is asked for, its head, and in parts', async () => {
    const small = bytes.subarray(0, 2000)
    const blob = `/v2/a/b/blobs/${(await pushBlob(registry(), 'a/b', small)).digest}`
    const { status, headers } = await registry().ask('HEAD', blob)
    expect({ status, length: headers['content-length'] }).to.deep.equal({ status: 200, length: '2000' })
    for (let i = 0; i < 4; i++) {
      const { date: _, 'x-request-id': __, ...whole } = headers
      const answer = await registry().ask('GET', blob)
      expect(answer.headers).to.deep.include(whole)
      expect(answer.bytes).to.deep.equal(small)
      const part = await registry().ask('GET', blob, { headers: { range: `bytes=${i}-1999` } })
      expect(part).to.include({ status: 206 })
      expect(part.headers).to.include({
        'content-length': `${2000 - i}`,
        'content-range': `bytes ${i}-1999/2000`,
      })
      expect(part.bytes).to.deep.equal(small.subarray(i))
    }
  })
})

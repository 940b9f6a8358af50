import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { digestOf } from '../../../src/oci/digest.ts'
import { MAX_MANIFEST_BYTES } from '../../../src/oci/manifest.ts'
import { DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import {
  EMPTY,
  imageIndex,
  imageManifest,
  type Located,
  pushArtifact,
  pushBlob,
  putManifest,
} from '../../support/oci.ts'
import { serving, startRegistry } from '../../support/server.ts'
import { tmpDir } from '../../support/tmp.ts'

describe('http/oci/manifests', () => {
  const registry = serving()
  const fresh = tmpDir()
  let layer: Located

  before(async () => {
    for (const repository of ['a', 'tags']) {
      await pushBlob(registry(), repository, '{}')
      layer = await pushBlob(registry(), repository, 'layer')
    }
  })

  const get = (reference: string, repository = 'a') =>
    registry().ask('GET', `/v2/${repository}/manifests/${reference}`)

  const put = (reference: string, body: Uint8Array, headers: Record<string, string> = {}) =>
    putManifest(registry(), 'a', reference, body, headers)

  /** A manifest that no other test has. */
  const distinct = (name: string) => imageManifest([layer], { annotations: { name } })

  describe('PUT and GET', () => {
    it('an archive that is not searched to its end is stored, and a Warning says why', async () => {
      const bomb = gzipSync(Buffer.alloc(8 * 1024 * 1024), { level: 9 })
      const archive = await pushBlob(registry(), 'a', bomb)
      const answer = await put('unsearched', imageManifest([archive]))
      expect(answer.status, answer.text).to.equal(201)
      expect(answer.headers.warning).to.match(
        /^299 - "the manifest is stored, but plugins in it may not be listed: sha256:\w{64}: the archive unpacks to more than 4194304 bytes"$/,
      )
      expect((await put('searched', imageManifest([layer]))).headers).not.to.have.property('warning')
    })

    it('by tag -> 201 with Location and digest and no body; the bytes come back as they were', async () => {
      const document = imageManifest([layer], { annotations: { b: '2', a: '1' } }).toString()
      const body = Buffer.from(JSON.stringify(JSON.parse(document), undefined, 3))
      const digest = digestOf(body)
      const answer = await put('v1', body)
      expect(answer.status, answer.text).to.equal(201)
      expect(answer.text).to.equal('')
      expect(answer.headers).to.include({
        location: `/v2/a/manifests/${digest}`,
        'docker-content-digest': digest,
        'content-length': '0',
      })
      expect(answer.headers).not.to.have.any.keys('oci-subject', 'oci-tag', 'content-type')
      for (const reference of ['v1', digest]) {
        const { status, bytes, headers } = await get(reference)
        expect(status).to.equal(200)
        expect(bytes).to.deep.equal(body)
        expect(headers).to.include({
          'content-type': OCI_MANIFEST,
          'content-length': String(body.length),
          'docker-content-digest': digest,
          etag: `"${digest}"`,
        })
      }
    })

    it('by digest -> 201, in either algorithm', async () => {
      const body = distinct('by digest')
      for (const algorithm of ['sha256', 'sha512'] as const) {
        const digest = digestOf(body, algorithm)
        const answer = await put(digest, body)
        expect(answer.status, answer.text).to.equal(201)
        expect(answer.headers['docker-content-digest']).to.equal(digest)
        expect((await get(digest)).bytes).to.deep.equal(body)
      }
    })

    it('by a digest that is not its own -> 400 DIGEST_INVALID, and nothing is there', async () => {
      const digest = digestOf('another')
      const answer = await put(digest, distinct('wrong digest'))
      expect(answer.status).to.equal(400)
      expect(answer.code).to.equal('DIGEST_INVALID')
      expect((await get(digest)).status).to.equal(404)
      expect((await get(digestOf(distinct('wrong digest')))).status).to.equal(404)
    })

    it('a tag moves; the digest that it left stays', async () => {
      const [first, second] = [distinct('first'), distinct('second')]
      await put('moving', first)
      await put('moving', second)
      expect((await get('moving')).bytes).to.deep.equal(second)
      expect((await get(digestOf(first))).bytes).to.deep.equal(first)
    })

    it('is immutable by digest for caches, and not by tag', async () => {
      const body = distinct('caches')
      await put('cached', body)
      expect((await get(digestOf(body))).headers['cache-control']).to.match(/immutable/)
      expect((await get('cached')).headers).not.to.have.property('cache-control')
    })

    it('HEAD -> the headers of GET and no body', async () => {
      await put('headed', distinct('headed'))
      const { date: _, 'x-request-id': __, ...headers } = (await get('headed')).headers
      const head = await registry().ask('HEAD', '/v2/a/manifests/headed')
      expect(head.status).to.equal(200)
      expect(head.headers).to.deep.include(headers)
      expect(head.bytes).to.have.length(0)
    })

    it('GET with If-None-Match of what the tag means -> 304', async () => {
      const body = distinct('not modified')
      await put('same', body)
      const headers = { 'if-none-match': `"${digestOf(body)}"` }
      const answer = await registry().ask('GET', '/v2/a/manifests/same', { headers })
      expect(answer.status).to.equal(304)
      expect(answer.headers['docker-content-digest']).to.equal(digestOf(body))
      expect(answer.headers).not.to.have.property('content-type')
      await put('same', distinct('modified'))
      expect((await registry().ask('GET', '/v2/a/manifests/same', { headers })).status).to.equal(200)
    })

    for (const accept of [undefined, '*/*', OCI_MANIFEST, OCI_INDEX, 'text/html']) {
      it(`GET with Accept: ${accept} -> 200 with what there is`, async () => {
        await put('accepted', distinct('accept'))
        const answer = await registry().ask('GET', '/v2/a/manifests/accepted', {
          headers: accept === undefined ? {} : { accept },
        })
        expect(answer.status).to.equal(200)
        expect(answer.headers['content-type']).to.equal(OCI_MANIFEST)
      })
    }

    it('what is not there -> 404 MANIFEST_UNKNOWN, NAME_UNKNOWN where the repository is not', async () => {
      expect((await get('nothing')).code).to.equal('MANIFEST_UNKNOWN')
      expect((await get(digestOf('nothing'))).code).to.equal('MANIFEST_UNKNOWN')
      expect((await get('nothing', 'nowhere')).code).to.equal('NAME_UNKNOWN')
      expect((await registry().ask('HEAD', '/v2/a/manifests/nothing')).status).to.equal(404)
    })

    it('PUT and DELETE of what can be no tag -> 400 MANIFEST_INVALID', async () => {
      for (const tag of ['-x', '.x', 'a%20b', 't'.repeat(129), '%00', '..']) {
        expect((await put(tag, distinct('no tag'))).code, tag).to.equal('MANIFEST_INVALID')
        const answer = await registry().write('DELETE', `/v2/a/manifests/${tag}`)
        expect(answer.status, tag).to.equal(400)
      }
    })

    it('PUT without the token -> 401 with a challenge for pull and push', async () => {
      const answer = await registry().ask('PUT', '/v2/a/manifests/v9', { body: distinct('401') })
      expect(answer.status).to.equal(401)
      expect(answer.headers['www-authenticate']).to.include('scope="repository:a:pull,push"')
      expect((await get('v9')).status).to.equal(404)
    })
  })

  describe('kinds', () => {
    it('an index, a nested index and the Docker types -> 201, each with its type', async () => {
      const child = await pushArtifact(registry(), 'kinds', 'child')
      const index = imageIndex([child])
      const nested = imageIndex([{ mediaType: OCI_INDEX, digest: digestOf(index), size: index.length }])
      const docker = imageManifest([], { mediaType: DOCKER_MANIFEST, config: EMPTY })
      const list = imageIndex([child], { mediaType: DOCKER_LIST })
      for (const [tag, body, type] of [
        ['index', index, OCI_INDEX],
        ['nested', nested, OCI_INDEX],
        ['docker', docker, DOCKER_MANIFEST],
        ['list', list, DOCKER_LIST],
      ] as const) {
        const answer = await putManifest(registry(), 'kinds', tag, body)
        expect(answer.status, answer.text).to.equal(201)
        expect((await get(tag, 'kinds')).headers['content-type']).to.equal(type)
      }
    })

    it('without a mediaType: the Content-Type counts', async () => {
      const body = imageManifest([layer], { mediaType: undefined })
      for (const type of [OCI_MANIFEST, DOCKER_MANIFEST, `${OCI_MANIFEST}; charset=utf-8`]) {
        const answer = await put('typeless', body, { 'content-type': type })
        expect(answer.status, answer.text).to.equal(201)
        expect((await get('typeless')).headers['content-type']).to.equal(type.split(';')[0])
      }
    })

    it('without a Content-Type: the mediaType counts', async () => {
      const body = distinct('no content type')
      const answer = await registry().write('PUT', '/v2/a/manifests/untyped', { body })
      expect(answer.status, answer.text).to.equal(201)
      expect((await get('untyped')).headers['content-type']).to.equal(OCI_MANIFEST)
    })

    for (const [what, body, type] of [
      ['a Content-Type that is not the mediaType', imageManifest([]), DOCKER_MANIFEST],
      ['an index that is sent as an image', imageIndex([]), OCI_MANIFEST],
      ['an image that is sent as an index', imageManifest([]), OCI_INDEX],
      ['a document that reads as both', imageManifest([], { manifests: [] }), OCI_MANIFEST],
      ['an index with layers', imageIndex([], { layers: [] }), OCI_INDEX],
      ['an unknown type', imageManifest([], { mediaType: 'application/json' }), 'application/json'],
      ['no mediaType and an unknown Content-Type', imageManifest([], { mediaType: undefined }), 'text/plain'],
      ['schemaVersion 1', imageManifest([], { schemaVersion: 1 }), OCI_MANIFEST],
      ['no JSON', Buffer.from('manifest'), OCI_MANIFEST],
      ['an empty body', Buffer.alloc(0), OCI_MANIFEST],
      ['a JSON array', Buffer.from('[]'), OCI_MANIFEST],
      ['null', Buffer.from('null'), OCI_MANIFEST],
      ['bytes that are not UTF-8', Buffer.from('{"schemaVersion":2,"a":"\xff"}', 'latin1'), OCI_MANIFEST],
      ['a layer that is no descriptor', imageManifest(['x' as never]), OCI_MANIFEST],
      ['a subject that is no descriptor', imageManifest([], { subject: { digest: 'x' } }), OCI_MANIFEST],
      ['100,000 levels', Buffer.from(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`), OCI_MANIFEST],
    ] as const) {
      it(`${what} -> 400 MANIFEST_INVALID`, async () => {
        const answer = await registry().write('PUT', '/v2/a/manifests/refused', {
          headers: { 'content-type': type },
          body,
        })
        expect(answer.status, answer.text).to.equal(400)
        expect(answer.code).to.equal('MANIFEST_INVALID')
        expect((await get('refused')).status).to.equal(404)
      })
    }

    it('an unknown layer, config or child -> 404 MANIFEST_BLOB_UNKNOWN that names it', async () => {
      const missing = { mediaType: 'text/plain', digest: digestOf('missing'), size: 7 }
      for (const body of [
        imageManifest([missing]),
        imageManifest([], { config: missing }),
        imageIndex([{ ...missing, mediaType: OCI_MANIFEST }]),
      ]) {
        const answer = await put('incomplete', body)
        expect(answer.status).to.equal(404)
        expect(answer.code).to.equal('MANIFEST_BLOB_UNKNOWN')
        expect(answer.text).to.include(missing.digest)
        expect((await get('incomplete')).status).to.equal(404)
      }
    })

    it('a blob that is in another repository alone -> 404 MANIFEST_BLOB_UNKNOWN', async () => {
      const elsewhere = await pushBlob(registry(), 'elsewhere', 'only elsewhere')
      expect((await put('elsewhere', imageManifest([elsewhere]))).code).to.equal('MANIFEST_BLOB_UNKNOWN')
    })
  })

  describe('size', () => {
    /** A manifest of exactly that many bytes. */
    const sized = (bytes: number) => {
      const bare = imageManifest([], { annotations: { pad: '' } }).length
      return imageManifest([], { annotations: { pad: 'x'.repeat(bytes - bare) } })
    }

    it('of 4 MiB -> 201, the same again', async () => {
      const body = sized(MAX_MANIFEST_BYTES)
      expect(body).to.have.length(4_194_304)
      expect((await put('large', body)).status).to.equal(201)
      expect((await get('large')).bytes.equals(body)).to.equal(true)
    })

    it('one byte more -> 413 SIZE_INVALID, whether the length is declared or not', async () => {
      const body = sized(MAX_MANIFEST_BYTES + 1)
      for (const sent of [body, [body.subarray(0, 1_000_000), body.subarray(1_000_000)]]) {
        const answer = await registry().write('PUT', '/v2/a/manifests/too-large', {
          headers: { 'content-type': OCI_MANIFEST },
          body: sent,
        })
        expect(answer.status).to.equal(413)
        expect(answer.code).to.equal('SIZE_INVALID')
      }
      expect((await get('too-large')).status).to.equal(404)
    })
  })

  describe('OCI-Subject and OCI-Tag', () => {
    it('a subject, there or not -> its digest in OCI-Subject', async () => {
      const subject = await pushArtifact(registry(), 'a', 'subject')
      for (const digest of [subject.digest, digestOf('not here')]) {
        const answer = await put('referring', imageManifest([layer], { subject: { ...subject, digest } }))
        expect(answer.status).to.equal(201)
        expect(answer.headers['oci-subject']).to.equal(digest)
      }
    })

    it('a push by digest with ten ?tag= -> all ten in OCI-Tag, and each is there', async () => {
      const body = distinct('many tags')
      const tags = Array.from({ length: 10 }, (_, i) => `many-${i}`)
      const answer = await put(`${digestOf(body)}?${tags.map(tag => `tag=${tag}`).join('&')}`, body)
      expect(answer.status, answer.text).to.equal(201)
      expect(answer.headers['oci-tag']).to.equal(tags.join(', '))
      for (const tag of tags) expect((await get(tag)).bytes).to.deep.equal(body)
    })

    it('with a malformed one among them -> 400, and none is there', async () => {
      const body = distinct('bad tags')
      const answer = await put(`${digestOf(body)}?tag=good&tag=-bad`, body)
      expect(answer.status).to.equal(400)
      expect((await get('good')).status).to.equal(404)
      expect((await get(digestOf(body))).status).to.equal(404)
    })
  })

  describe('If-Match and If-None-Match', () => {
    const etag = (body: Uint8Array) => `"${digestOf(body)}"`

    it('PUT If-None-Match: * -> 201 for a new tag, 412 for one that is there', async () => {
      const [first, second] = [distinct('create 1'), distinct('create 2')]
      expect((await put('once', first, { 'if-none-match': '*' })).status).to.equal(201)
      const answer = await put('once', second, { 'if-none-match': '*' })
      expect(answer.status).to.equal(412)
      expect(answer.code).to.equal('DENIED')
      expect((await get('once')).bytes).to.deep.equal(first)
      expect((await get(digestOf(second))).status).to.equal(404)
    })

    it('PUT If-Match -> 201 where the tag still is what it was, else 412', async () => {
      const [first, second, third] = [distinct('swap 1'), distinct('swap 2'), distinct('swap 3')]
      expect((await put('swap', first, { 'if-match': etag(first) })).status).to.equal(412)
      await put('swap', first)
      expect((await put('swap', second, { 'if-match': `"x", ${etag(first)}` })).status).to.equal(201)
      expect((await put('swap', third, { 'if-match': etag(first) })).status).to.equal(412)
      expect((await get('swap')).bytes).to.deep.equal(second)
      expect((await put('swap', third, { 'if-match': '*' })).status).to.equal(201)
    })

    it('of eight writers at once that saw the same -> one 201, seven 412', async () => {
      const first = distinct('race')
      await put('race', first)
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, i) => put('race', distinct(`race ${i}`), { 'if-match': etag(first) })),
      )
      const statuses = answers.map(({ status }) => status).sort()
      expect(statuses).to.deep.equal([201, 412, 412, 412, 412, 412, 412, 412])
    })

    it('DELETE If-Match -> 412 where the tag has moved, 202 where it has not', async () => {
      const [first, second] = [distinct('delete 1'), distinct('delete 2')]
      await put('leaving', first)
      await put('leaving', second)
      const remove = (body: Uint8Array) =>
        registry().write('DELETE', '/v2/a/manifests/leaving', { headers: { 'if-match': etag(body) } })
      expect((await remove(first)).status).to.equal(412)
      expect((await remove(second)).status).to.equal(202)
      expect((await get('leaving')).status).to.equal(404)
    })
  })

  describe('DELETE', () => {
    it('a tag -> 202 without a body; the manifest stays', async () => {
      const body = distinct('untagged')
      await put('dropped', body)
      const answer = await registry().write('DELETE', '/v2/a/manifests/dropped')
      expect(answer.status).to.equal(202)
      expect(answer.text).to.equal('')
      expect((await get('dropped')).code).to.equal('MANIFEST_UNKNOWN')
      expect((await get(digestOf(body))).bytes).to.deep.equal(body)
      expect((await registry().write('DELETE', '/v2/a/manifests/dropped')).status).to.equal(404)
    })

    it('a digest -> 202; its tags are gone with it, and no other', async () => {
      const [body, other] = [distinct('deleted'), distinct('kept')]
      await put(`${digestOf(body)}?tag=gone-1&tag=gone-2`, body)
      await put('stays', other)
      expect((await registry().write('DELETE', `/v2/a/manifests/${digestOf(body)}`)).status).to.equal(202)
      for (const reference of [digestOf(body), 'gone-1', 'gone-2']) {
        expect((await get(reference)).status, reference).to.equal(404)
      }
      expect((await get('stays')).status).to.equal(200)
      const again = await registry().write('DELETE', `/v2/a/manifests/${digestOf(body)}`)
      expect(again.status).to.equal(404)
      expect(again.code).to.equal('MANIFEST_UNKNOWN')
    })

    it('the last manifest -> the repository is not known any more', async () => {
      const { digest } = await pushArtifact(registry(), 'short-lived', 'v1')
      await registry().write('DELETE', `/v2/short-lived/manifests/${digest}`)
      expect((await get('v1', 'short-lived')).code).to.equal('NAME_UNKNOWN')
      expect((await registry().ask('GET', '/v2/_catalog')).text).not.to.include('short-lived')
    })

    it('without the token -> 401 with a challenge for the right to delete', async () => {
      await put('guarded', distinct('guarded'))
      const answer = await registry().ask('DELETE', '/v2/a/manifests/guarded')
      expect(answer.status).to.equal(401)
      expect(answer.headers['www-authenticate']).to.include('scope="repository:a:delete"')
      expect((await get('guarded')).status).to.equal(200)
    })
  })

  it('what was pushed is there after a restart', async () => {
    const storage = await fresh()
    const before = await startRegistry({ storage })
    const { digest } = await pushArtifact(before, 'kept', 'v1')
    await before.close()
    const after = await startRegistry({ storage })
    const answer = await after.ask('GET', '/v2/kept/manifests/v1')
    await after.close()
    expect(answer.headers['docker-content-digest']).to.equal(digest)
  })
})

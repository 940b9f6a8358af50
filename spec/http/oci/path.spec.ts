import { expect } from 'chai'
import { parsePath } from '../../../src/http/oci/path.ts'
import { refusal } from '../../support/refusal.ts'
import { serving } from '../../support/server.ts'

const ADDRESSES: Record<string, ReturnType<typeof parsePath>> = {
  '/v2': { endpoint: 'base', name: '', last: '' },
  '/v2/': { endpoint: 'base', name: '', last: '' },
  '/v2/_catalog': { endpoint: 'catalog', name: '', last: '_catalog' },
  '/v2/a/manifests/v1': { endpoint: 'manifest', name: 'a', last: 'v1' },
  '/v2/a/b/c/manifests/v1': { endpoint: 'manifest', name: 'a/b/c', last: 'v1' },
  '/v2/a/blobs/sha256:00': { endpoint: 'blob', name: 'a', last: 'sha256:00' },
  '/v2/a/blobs/sha256%3A00': { endpoint: 'blob', name: 'a', last: 'sha256:00' },
  '/v2/a/referrers/sha256:00': { endpoint: 'referrers', name: 'a', last: 'sha256:00' },
  '/v2/a/tags/list': { endpoint: 'tags', name: 'a', last: 'list' },
  '/v2/a/blobs/uploads': { endpoint: 'uploads', name: 'a', last: '' },
  '/v2/a/blobs/uploads/': { endpoint: 'uploads', name: 'a', last: '' },
  '/v2/a/b/blobs/uploads/id': { endpoint: 'upload', name: 'a/b', last: 'id' },
  // A repository may be called like an endpoint: what stands last decides.
  '/v2/manifests/manifests/manifests': { endpoint: 'manifest', name: 'manifests', last: 'manifests' },
  '/v2/tags/list/tags/list': { endpoint: 'tags', name: 'tags/list', last: 'list' },
  '/v2/blobs/uploads/manifests/v1': { endpoint: 'manifest', name: 'blobs/uploads', last: 'v1' },
  '/v2/a/blobs/uploads/tags/list': { endpoint: 'tags', name: 'a/blobs/uploads', last: 'list' },
  // Still unchecked: names, tags and digests have their own grammar.
  '/v2//manifests/v1': { endpoint: 'manifest', name: '', last: 'v1' },
  '/v2/a/manifests/': { endpoint: 'manifest', name: 'a', last: '' },
  '/v2/a/../b/manifests/v1': { endpoint: 'manifest', name: 'a/../b', last: 'v1' },
  '/v2/a/manifests/%00': { endpoint: 'manifest', name: 'a', last: '\0' },
  '/v2/x': undefined,
  '/v2/a/b': undefined,
  '/v2/a/tags': undefined,
  '/v2/a/tags/lists': undefined,
  '/v2/a/manifests/v1/': undefined,
  '/v2/a/constructor/v1': undefined,
  '/v2/a/__proto__/v1': undefined,
  '/v2/_catalog/': undefined,
}

describe('http/oci/path', () => {
  describe('parsePath', () => {
    for (const [path, expected] of Object.entries(ADDRESSES)) {
      it(`${path} -> ${expected ? `${expected.endpoint} of "${expected.name}"` : 'nothing'}`, () => {
        expect(parsePath(path)).to.deep.equal(expected)
      })
    }

    for (const path of ['/v2/a%2Fb/manifests/v1', '/v2/a/manifests/..%2f', '/v2/%ff/manifests/v1', '/v2/%']) {
      it(`${path} -> NAME_INVALID`, async () => {
        expect(await refusal((async () => parsePath(path))())).to.equal('NAME_INVALID')
      })
    }
  })

  describe('over the wire', () => {
    const registry = serving()
    const zeros = `sha256:${'0'.repeat(64)}`

    for (const [path, status, code] of [
      ['/v2/x', 404, 'UNSUPPORTED'],
      ['/v2/a/tags/lists', 404, 'UNSUPPORTED'],
      ['/v2//manifests/v1', 400, 'NAME_INVALID'],
      ['/v2/a%2Fb/manifests/v1', 400, 'NAME_INVALID'],
      ['/v2/a/../b/manifests/v1', 400, 'NAME_INVALID'],
      ['/v2/../../etc/manifests/passwd', 400, 'NAME_INVALID'],
      ['/v2/%2e%2e/manifests/v1', 400, 'NAME_INVALID'],
      ['/v2/a%5c..%5cb/manifests/v1', 400, 'NAME_INVALID'],
      ['/v2/%ff/manifests/v1', 400, 'NAME_INVALID'],
      ['/v2/%c0%ae%c0%ae/manifests/v1', 400, 'NAME_INVALID'],
      ['/v2/A/manifests/v1', 400, 'NAME_INVALID'],
      [`/v2/${'a'.repeat(256)}/manifests/v1`, 400, 'NAME_INVALID'],
      [`/v2/${'a'.repeat(255)}/manifests/v1`, 404, 'NAME_UNKNOWN'],
      ['/v2/a/manifests/', 404, 'MANIFEST_UNKNOWN'],
      ['/v2/a/manifests/..', 404, 'MANIFEST_UNKNOWN'],
      ['/v2/a/manifests/%00', 404, 'MANIFEST_UNKNOWN'],
      ['/v2/a/manifests/..%2f..%2fetc', 400, 'NAME_INVALID'],
      [`/v2/a/manifests/${'t'.repeat(129)}`, 404, 'MANIFEST_UNKNOWN'],
      [`/v2/a/manifests/${'t'.repeat(128)}`, 404, 'NAME_UNKNOWN'],
      ['/v2/a/manifests/sha256:0', 400, 'DIGEST_INVALID'],
      [`/v2/a/manifests/${zeros}`, 404, 'NAME_UNKNOWN'],
      [`/v2/a/blobs/${zeros}`, 404, 'BLOB_UNKNOWN'],
      [`/v2/a/blobs/${zeros.replace(':', '%3A')}`, 404, 'BLOB_UNKNOWN'],
      [`/v2/a/blobs/${zeros.toUpperCase()}`, 400, 'DIGEST_INVALID'],
      [`/v2/a/blobs/sha256:${'A'.repeat(64)}`, 400, 'DIGEST_INVALID'],
      [`/v2/a/blobs/sha512:${'0'.repeat(64)}`, 400, 'DIGEST_INVALID'],
      [`/v2/a/blobs/md5:${'0'.repeat(32)}`, 400, 'DIGEST_INVALID'],
      ['/v2/a/blobs/../../../etc/passwd', 404, 'UNSUPPORTED'],
      ['/v2/a/blobs/', 400, 'DIGEST_INVALID'],
      ['/v2/a/tags/list', 404, 'NAME_UNKNOWN'],
    ] as const) {
      it(`GET ${path.length > 80 ? `${path.slice(0, 80)}…` : path} -> ${status} ${code}`, async () => {
        const answer = await registry().ask('GET', path)
        expect(answer.status).to.equal(status)
        expect(answer.code).to.equal(code)
        expect(answer.headers['content-type']).to.equal('application/json')
        expect(answer.headers['docker-distribution-api-version']).to.equal('registry/2.0')
      })
    }

    for (const [method, path, allow] of [
      ['POST', '/v2/', 'GET, HEAD'],
      ['PUT', '/v2/_catalog', 'GET, HEAD'],
      ['POST', '/v2/a/tags/list', 'GET, HEAD'],
      ['POST', '/v2/a/manifests/v1', 'GET, PUT, DELETE, HEAD'],
      ['PUT', `/v2/a/blobs/${zeros}`, 'GET, DELETE, HEAD'],
      ['GET', '/v2/a/blobs/uploads/', 'POST'],
      ['HEAD', '/v2/a/blobs/uploads/', 'POST'],
      ['POST', '/v2/a/blobs/uploads/x', 'GET, PATCH, PUT, DELETE, HEAD'],
      ['DELETE', `/v2/a/referrers/${zeros}`, 'GET, HEAD'],
      ['OPTIONS', '/v2/a/tags/list', 'GET, HEAD'],
    ] as const) {
      it(`${method} ${path.slice(0, 40)} -> 405, Allow: ${allow}`, async () => {
        const answer = await registry().write(method, path)
        expect(answer.status).to.equal(405)
        expect(answer.headers.allow).to.equal(allow)
        if (method !== 'HEAD') expect(answer.code).to.equal('UNSUPPORTED')
      })
    }
  })
})

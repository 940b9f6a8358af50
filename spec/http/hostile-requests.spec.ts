import { expect } from 'chai'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { imageManifest, type Located, pushArtifact, pushBlob, putManifest } from '../support/oci.ts'
import { serving } from '../support/server.ts'

const many = <T>(count: number, make: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n))
const descriptor = (n: number) => ({
  mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
  digest: digestOf(`${n}`),
  size: n,
})
const annotations = (count: number) => Object.fromEntries(many(count, n => [`k${n}`, '']))

describe('http: requests that ask for too much', () => {
  const registry = serving()

  before(() => pushBlob(registry(), 'a', '{}'))

  const TOO_LARGE: Record<string, [body: Buffer, status: number, words: RegExp]> = {
    '4 MiB of open arrays': [
      Buffer.alloc(4 * 2 ** 20, '['),
      400,
      /nested more than 100 levels deep: 4194304/,
    ],
    '300,000 annotations': [
      imageManifest([], { annotations: annotations(300_000) }),
      413,
      /than 100000 values: 3000\d\d/,
    ],
    '30,000 layers': [
      imageManifest(many(30_000, n => ({ ...descriptor(n), mediaType: 'a/b' }))),
      413,
      /more than 100000 values/,
    ],
    '6,000 layers': [imageManifest(many(6000, descriptor)), 413, /layers than the 5000 .*: 6000/],
  }
  for (const [what, [body, status, words]] of Object.entries(TOO_LARGE)) {
    it(`PUT of a manifest of ${what} -> ${status} with the limit and what was found`, async () => {
      const answer = await registry().write('PUT', '/v2/a/manifests/v1', {
        headers: { 'content-type': OCI_MANIFEST },
        body,
      })
      expect(answer.status).to.equal(status)
      expect(answer.text).to.match(words)
      expect(answer.text.length).to.be.below(500)
    })
  }

  const TAKEN: Record<string, Buffer> = {
    '5,000 layers': imageManifest(many(5000, descriptor)),
    'nearly 4 MiB in one annotation': imageManifest([], { annotations: { a: '"'.repeat(2_000_000) } }),
    'nearly 4 MiB of data': imageManifest([{ ...descriptor(1), data: 'x'.repeat(4_000_000) } as Located]),
  }
  for (const [what, body] of Object.entries(TAKEN)) {
    it(`a manifest of ${what} -> is stored, served as it was pushed, and deleted`, async () => {
      const path = `/v2/a/manifests/${digestOf(body)}`
      expect((await putManifest(registry(), 'a', digestOf(body), body)).status).to.equal(201)
      const { bytes } = await registry().ask('GET', path)
      expect(bytes.equals(body)).to.equal(true)
      expect((await registry().write('DELETE', path)).status).to.equal(202)
      expect((await registry().ask('GET', path)).status).to.equal(404)
    })
  }

  it('PUT with 501 tags -> 414 with the limit, and none is set; with one of them 500 times -> 201', async () => {
    const body = imageManifest([])
    const put = (tags: string[]) =>
      registry().write(
        'PUT',
        `/v2/a/manifests/${digestOf(body)}?${tags.map(tag => `tag=${tag}`).join('&')}`,
        { body },
      )
    const refused = await put(many(501, n => `t${n}`))
    expect([refused.status, refused.code]).to.deep.equal([414, 'MANIFEST_INVALID'])
    expect(refused.text).to.match(/at most 500 tags, and these are 501/)
    expect((await registry().ask('GET', '/v2/a/manifests/t1')).status).to.equal(404)
    const taken = await put(many(500, () => 'same'))
    expect([taken.status, taken.headers['oci-tag']]).to.deep.equal([201, 'same'])
  })

  it('GET /token for 64 scopes -> 200, and the token is accepted; for 65, or 4,097 characters -> 400 with the limits', async () => {
    const ask = (scopes: string[]) => registry().ask('GET', `/token?scope=${scopes.join('%20')}`)
    const answer = await ask(many(64, n => `repository:a${n}:pull`))
    const { token } = answer.json as { token: string }
    const used = await registry().ask('GET', '/v2/', { headers: { authorization: `Bearer ${token}` } })
    expect([answer.status, used.status]).to.deep.equal([200, 200])
    for (const scopes of [many(65, n => `repository:a${n}:pull`), [`repository:${'a'.repeat(4097)}:pull`]]) {
      const refused = await ask(scopes)
      expect(refused.status).to.equal(400)
      expect(refused.text).to.match(/at most 64 scopes of 4096 characters together, and these are \d+ of \d+/)
    }
  })

  it('GET of referrers with large annotations -> pages of at most 256 KiB, each referrer once', async () => {
    const subject = await pushArtifact(registry(), 'a', 'subject')
    const pushed: string[] = []
    for (let n = 0; n < 7; n++) {
      const more = { subject, annotations: { n: `${n}`, a: 'x'.repeat(100_000) } }
      pushed.push((await pushArtifact(registry(), 'a', `r${n}`, more)).digest)
    }
    const found: string[] = []
    for (let path: string | undefined = `/v2/a/referrers/${subject.digest}`; path !== undefined; ) {
      const { bytes, headers, json } = await registry().ask('GET', path)
      expect(bytes.length).to.be.below(257 * 1024)
      expect(headers['content-type']).to.equal(OCI_INDEX)
      found.push(...(json as { manifests: Located[] }).manifests.map(({ digest }) => digest))
      path = /^<([^>]+)>; rel="next"$/.exec(String(headers.link ?? ''))?.[1]
    }
    expect(found).to.deep.equal(pushed.sort())
  })
})

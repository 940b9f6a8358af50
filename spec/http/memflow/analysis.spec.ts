import { expect } from 'chai'
import { digestOf, hexOf } from '../../../src/oci/digest.ts'
import { ANALYZER_VERSION, factsOf } from '../../../src/plugin/facts.ts'
import { upload } from '../../support/form.ts'
import { plugin } from '../../support/plugins.ts'
import { serving } from '../../support/server.ts'
import { signer } from '../../support/signer.ts'

describe('http/memflow: GET /files/{digest}/analysis', () => {
  const { pem, sign } = signer()
  const registry = serving({ keys: pem })
  const { bytes } = plugin('memflow_facts.x86_64.dll')
  const digest = hexOf(digestOf(bytes))
  const path = `/files/${digest}/analysis`

  before(async () => {
    const { status, text } = await registry().write('POST', '/files', upload(bytes, sign(bytes)))
    expect(status, text).to.equal(200)
  })

  it('-> 200 and the facts, as docs/analysis.md has them', async () => {
    const { status, headers, json } = await registry().ask('GET', path)
    expect(status).to.equal(200)
    expect(headers['content-type']).to.equal('application/json')
    expect(json).to.deep.equal({ digest, analyzer: ANALYZER_VERSION, ...factsOf(bytes) })
  })

  it('-> the same for a digest with its algorithm', async () => {
    const { json } = await registry().ask('GET', `/files/sha256:${digest}/analysis`)
    expect(json).to.have.property('digest', digest)
  })

  it('-> 304 to who has it already', async () => {
    const { headers, text } = await registry().ask('GET', path)
    const etag = String(headers.etag)
    expect(etag).to.equal(`"${digestOf(text)}"`)
    const again = await registry().ask('GET', path, { headers: { 'if-none-match': etag } })
    expect([again.status, again.text, again.headers.etag]).to.deep.equal([304, '', etag])
    expect((await registry().ask('GET', path, { headers: { 'if-none-match': '"other"' } })).status).to.equal(
      200,
    )
  })

  it('HEAD -> the headers of the GET', async () => {
    const got = await registry().ask('GET', path)
    const head = await registry().ask('HEAD', path)
    expect([head.status, head.text]).to.deep.equal([200, ''])
    for (const name of ['content-length', 'content-type', 'etag', 'cache-control'])
      expect(head.headers[name], name).to.equal(got.headers[name])
  })

  for (const name of ['0'.repeat(64), 'abc', `${digest}0`, digest.toUpperCase()]) {
    it(`${name} -> 404 plugin not found`, async () => {
      const { status, headers, text } = await registry().ask('GET', `/files/${name}/analysis`)
      expect([status, text]).to.deep.equal([404, 'plugin not found'])
      expect(headers['content-type']).to.equal('text/plain; charset=utf-8')
    })
  }

  it('POST -> 405', async () => {
    const { status, headers } = await registry().write('POST', path)
    expect([status, headers.allow]).to.deep.equal([405, 'GET,HEAD'])
  })

  it('leaves the original endpoints their fields', async () => {
    const { json } = await registry().ask('GET', `/files/${digest}/metadata`)
    expect(Object.keys(json as object)).to.deep.equal(['digest', 'signature', 'created_at', 'descriptors'])
    const list = (await registry().ask('GET', '/plugins/facts')).json as { plugins: object[] }
    expect(Object.keys(list.plugins[0] as object)).to.deep.equal([
      'digest',
      'signature',
      'created_at',
      'descriptor',
    ])
  })

  it('-> 404 once the plugin is deleted', async () => {
    await registry().write('DELETE', `/files/${digest}`)
    expect((await registry().ask('GET', path)).status).to.equal(404)
  })
})

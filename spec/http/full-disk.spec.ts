import { expect } from 'chai'
import { digestOf } from '../../src/oci/digest.ts'
import { upload } from '../support/form.ts'
import { imageManifest, pushArtifact, pushBlob, putManifest, sessionPath } from '../support/oci.ts'
import { plugin } from '../support/plugins.ts'
import { type RunningRegistry, startRegistry } from '../support/server.ts'
import { tmpDir } from '../support/tmp.ts'

/** A registry that has content and, since its restart, no disk with as much space free as it is to leave. */
describe('a disk with less free than shall stay free', () => {
  const fresh = tmpDir()
  let registry: RunningRegistry
  let session: string

  before(async () => {
    const storage = await fresh()
    const roomy = await startRegistry({ storage })
    await pushArtifact(roomy, 'a', 'v1')
    await pushBlob(roomy, 'a', 'unused')
    session = sessionPath(await roomy.write('POST', '/v2/a/blobs/uploads/'))
    await roomy.close()
    registry = await startRegistry({ storage, policy: { minFreeSpace: 2 ** 60 } })
  })

  after(() => registry.close())

  for (const [what, method, path, body] of [
    ['a new upload', 'POST', () => '/v2/a/blobs/uploads/', undefined],
    ['a whole blob', 'POST', () => `/v2/a/blobs/uploads/?digest=${digestOf('abc')}`, 'abc'],
    ['a chunk', 'PATCH', () => session, 'abc'],
    ['a last chunk', 'PUT', () => `${session}?digest=${digestOf('abc')}`, 'abc'],
  ] as const) {
    it(`${what} -> 507 and why`, async () => {
      const answer = await registry.write(method, path(), { body })
      expect(answer).to.include({ status: 507, code: 'DENIED' })
      expect(answer.text).to.include('the storage of this registry is full')
    })
  }

  it('a manifest -> 507', async () => {
    const { status, code } = await putManifest(registry, 'a', 'v2', imageManifest([]))
    expect({ status, code }).to.deep.equal({ status: 507, code: 'DENIED' })
  })

  it('POST /files -> 507 in a line of text', async () => {
    const { bytes } = plugin('libmemflow_coredump-0.2.0.x86_64.so')
    const answer = await registry.write('POST', '/files', upload(bytes, '00'))
    expect(answer.status).to.equal(507)
    expect(answer.text).to.equal(
      'the storage of this registry is full; it takes content again when there is space',
    )
  })

  it('reads, deletes and health -> as ever, and not ready', async () => {
    expect((await registry.ask('GET', '/v2/a/manifests/v1')).status).to.equal(200)
    expect((await registry.ask('GET', `/v2/a/blobs/${digestOf('content')}`)).text).to.equal('content')
    expect((await registry.write('GET', session)).headers.range).to.equal('0-0')
    expect((await registry.write('DELETE', `/v2/a/blobs/${digestOf('unused')}`)).status).to.equal(202)
    expect((await registry.write('DELETE', '/v2/a/manifests/v1')).status).to.equal(202)
    expect((await registry.ask('GET', '/health')).status).to.equal(200)
    const ready = await registry.ask('GET', '/ready')
    expect(ready.status).to.equal(503)
    expect(ready.text).to.match(
      /^blobs: the storage of this registry is full; .* \(since 20\d\d-\d\d-\d\dT\S+\)$/,
    )
  })
})

import { expect } from 'chai'
import { digestOf, hexOf } from '../../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import { SIGNATURE_ANNOTATION } from '../../../src/oci/plugin-artifact.ts'
import { mirrorOf } from '../../support/mirror.ts'
import { imageIndex, pushArtifact, pushBlob, putManifest } from '../../support/oci.ts'
import { plugin } from '../../support/plugins.ts'
import { type RunningRegistry, startRegistry } from '../../support/server.ts'
import { signer } from '../../support/signer.ts'
import { until } from '../../support/until.ts'

describe('http/oci: a mirror of a mirror', () => {
  const alice = signer()
  const coredump = Buffer.from(plugin('libmemflow_coredump-0.2.0.x86_64.so').bytes)
  let origin: RunningRegistry
  let near: RunningRegistry
  let far: RunningRegistry
  const running: RunningRegistry[] = []

  /** A registry, or a mirror of everything that the other one has under its own names. */
  const start = async (of?: RunningRegistry) => {
    const mirrors = of ? [mirrorOf(of.url, { prefix: undefined, name: 'chain' })] : []
    const registry = await startRegistry({ keys: alice.pem, policy: { mirrors } })
    running.push(registry)
    return registry
  }

  beforeEach(async () => {
    origin = await start()
    near = await start(origin)
    far = await start(near)
  })

  afterEach(async () => {
    for (const registry of running.splice(0).reverse()) await registry.close()
  })

  const get = (path: string) => far.ask('GET', path)

  it('hands on manifests, blobs, tags and referrers, and keeps them without its upstream', async () => {
    const image = await pushArtifact(origin, 'team/app', 'v1')
    const signature = await pushArtifact(origin, 'team/app', 'signature', {
      subject: image,
      artifactType: 'a/b',
    })
    const layer = await pushBlob(origin, 'team/app', 'of a cache', 'application/x-layer; version=1')
    const cache = imageIndex([image, layer])
    expect((await putManifest(origin, 'team/app', 'cache', cache)).status).to.equal(201)
    const read = async () => {
      for (const [reference, type, digest] of [
        ['v1', OCI_MANIFEST, image.digest],
        ['cache', OCI_INDEX, digestOf(cache)],
        [signature.digest, OCI_MANIFEST, signature.digest],
      ]) {
        const { headers, bytes } = await get(`/v2/team/app/manifests/${reference}`)
        expect(headers).to.include({ 'content-type': type, 'docker-content-digest': digest })
        expect(headers).not.to.have.property('warning')
        expect(digestOf(bytes)).to.equal(digest)
      }
      for (const text of ['content', '{}', 'of a cache'])
        expect((await get(`/v2/team/app/blobs/${digestOf(text)}`)).text).to.equal(text)
    }
    await read()
    expect((await get('/v2/team/app/tags/list')).json).to.have.deep.property('tags', [
      'cache',
      'signature',
      'v1',
    ])
    const listed = await get(`/v2/team/app/referrers/${image.digest}`)
    expect(listed.json).to.have.deep.property('manifests', [{ ...signature, artifactType: 'a/b' }])
    expect(listed.headers).not.to.have.property('warning')
    await until(
      async () =>
        (
          await far.ask('HEAD', `/v2/team/app/blobs/${layer.digest}`, {
            headers: { 'cache-control': 'only-if-cached' },
          })
        ).status === 200,
    )
    await near.close()
    await read()
  })

  it('lists a plugin that a key vouches for, and gives its file', async () => {
    const signed = { annotations: { [SIGNATURE_ANNOTATION]: alice.sign(coredump) } }
    const layer = await pushBlob(origin, 'team/plugins', coredump)
    await pushArtifact(origin, 'team/plugins', 'v1', { layers: [layer], ...signed })
    expect((await get('/v2/team/plugins/manifests/v1')).status).to.equal(200)
    expect(digestOf((await get(`/v2/team/plugins/blobs/${layer.digest}`)).bytes)).to.equal(layer.digest)
    const names = async () => (await get('/plugins')).json as { plugins: { name: string }[] }
    await until(async () => (await names()).plugins.length > 0)
    expect((await names()).plugins.map(({ name }) => name)).to.deep.equal(['coredump'])
    expect((await get(`/files/${hexOf(layer.digest)}`)).bytes.equals(coredump)).to.equal(true)
  })

  it('says 404 for what the origin does not have', async () => {
    await pushArtifact(origin, 'team/app', 'v1')
    expect(await get('/v2/team/app/manifests/v2')).to.include({ status: 404 })
    expect(await get('/v2/team/none/tags/list')).to.include({ status: 404, code: 'NAME_UNKNOWN' })
  })
})

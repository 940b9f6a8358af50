import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { OWED } from '../../../src/index/search-tables.ts'
import { CLAIMS } from '../../../src/index/tables.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { OCI_CONFIG, OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import { mirrorsOf, pull } from '../../support/core-mirror.ts'
import { CountedAnalyzer } from '../../support/counted-analyzer.ts'
import { FaultyUpstream } from '../../support/faulty-upstream.ts'
import { EMPTY } from '../../support/oci.ts'
import { plugin } from '../../support/plugins.ts'
import { type CoreRegistry, MIB, registries, repo, tag, tarOf, wrap } from '../../support/registry.ts'

const COREDUMP = plugin('libmemflow_coredump-0.2.0.x86_64.so').bytes
const NATIVE = plugin('libmemflow_native-0.2.0.x86_64.so').bytes

describe('core/mirror: the search for plugins', () => {
  const open = registries()
  let upstream: FaultyUpstream
  let analyzer: CountedAnalyzer
  let registry: CoreRegistry

  beforeEach(async () => {
    upstream = await FaultyUpstream.start()
    upstream.content.blob('{}')
    analyzer = new CountedAnalyzer()
    registry = await open({ ownStore: true, analyzer, mirrors: mirrorsOf(upstream.url) })
  })

  afterEach(() => upstream.stop())

  /** An artifact at the upstream; returns the digests of its layers. */
  const artifact = (repository: string, layers: readonly Uint8Array[], config: object = EMPTY): Digest[] => {
    const digests = layers.map(layer => upstream.content.blob(layer))
    const described = digests.map((digest, i) => ({ mediaType: 'a/b', digest, size: layers[i]?.length }))
    const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: described }
    upstream.content.manifest(repository, document, 'v1')
    return digests
  }

  const fetch = async (repository: string, digest: Digest): Promise<void> => {
    const blob = await registry.reads.blob(repo(repository), digest, 'bytes')
    await buffer((await blob.open()).read())
  }

  it('looks at each layer when it comes, and at no other one again', async () => {
    const zeros = Array.from({ length: 6 }, (_, i) => gzipSync(Buffer.alloc(2 * MIB, i)))
    const archives = await Promise.all(
      zeros.map(async (bytes, i) => gzipSync(await tarOf({ [`${i}`]: bytes }))),
    )
    const layers = artifact('evil', [...archives, await wrap(COREDUMP, 'tar+gzip'), NATIVE])
    for (const layer of layers) await pull(registry, 'evil', layer)
    expect(analyzer).to.include({ unpacked: 7, examined: 1 })
    expect(Object.keys(await registry.rows(CLAIMS))).to.have.length(2)
    expect(await registry.rows(OWED)).to.deep.equal({})
  })

  it('finds a plugin whose blob was here before, whatever comes first', async () => {
    const [layer = expect.fail()] = artifact('a', [await wrap(COREDUMP, 'tar')])
    artifact('b', [await wrap(COREDUMP, 'tar')])
    await pull(registry, 'a', layer)
    await pull(registry, 'b')
    await registry.search.settled()
    await pull(registry, 'b', layer)
    expect(Object.keys(await registry.rows(CLAIMS))).to.have.length(2)
    expect(analyzer).to.include({ unpacked: 1 })
  })

  it('searches in the background what is here when the manifest comes', async () => {
    const bytes = await wrap(COREDUMP, 'tar+gzip')
    await registry.pushBlob('pushed', bytes)
    artifact('a', [bytes])
    await registry.reads.manifest(repo('a'), tag('v1'))
    await registry.search.settled()
    expect(analyzer).to.include({ unpacked: 1 })
    expect(Object.keys(await registry.rows(CLAIMS))).to.have.length(1)
  })

  it('leaves the layers of container images alone', async () => {
    const config = { mediaType: OCI_CONFIG, digest: EMPTY.digest, size: 2 }
    const [layer = expect.fail()] = artifact('image', [await wrap(COREDUMP, 'tar+gzip')], config)
    await pull(registry, 'image', layer)
    expect(analyzer).to.include({ unpacked: 0 })
    expect(await registry.rows(OWED)).to.deep.equal({})
  })

  it('gives another repository its turn after one layer, however many one has brought', async () => {
    let release = () => {}
    const gate = new Promise<void>(resolve => {
      release = resolve
    })
    const gated = new CountedAnalyzer()
    registry = await open({
      ownStore: true,
      mirrors: mirrorsOf(upstream.url),
      analyzer: {
        examine: gated.examine,
        unpack: async (...archive) => {
          await gate
          return gated.unpack(...archive)
        },
      },
    })
    const texts = Array.from({ length: 8 }, (_, i) => tarOf({ [`${i}`]: Buffer.from('text') }))
    const evil = artifact('evil', await Promise.all(texts))
    const [good = expect.fail()] = artifact('good', [await wrap(COREDUMP, 'tar')])
    await registry.reads.manifest(repo('evil'), tag('v1'))
    for (const layer of evil) await fetch('evil', layer)
    await registry.reads.manifest(repo('good'), tag('v1'))
    await fetch('good', good)
    while (Object.keys(await registry.rows(OWED)).length < 9) await new Promise(setImmediate)
    release()
    await registry.search.settled()
    expect(gated.owners.indexOf('good')).to.equal(1)
    expect(gated.owners).to.have.length(9)
  })

  it('is still owed when the registry is closed before it is done', async () => {
    const [layer = expect.fail()] = artifact('a', [await wrap(COREDUMP, 'tar')])
    await registry.search.close()
    await pull(registry, 'a', layer)
    expect(Object.keys(await registry.rows(OWED))).to.deep.equal([`a ${layer}`])
    expect(analyzer).to.include({ unpacked: 0 })
  })
})

import { expect } from 'chai'
import { BINARIES, CLAIMED, CLAIMS } from '../../src/index/tables.ts'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import { plugin } from '../support/plugins.ts'
import { refusal } from '../support/refusal.ts'
import { type CoreRegistry, registries, repo, StoppedClock, type Wrapping } from '../support/registry.ts'

const COREDUMP = plugin('libmemflow_coredump-0.2.0.x86_64.so')
const PAIR = plugin('libmemflow_pair-0.2.0.x86_64.so')
const digest = digestOf(COREDUMP.bytes)

describe('core/claims', () => {
  const open = registries()
  let registry: CoreRegistry

  beforeEach(async () => {
    registry = await open()
  })

  const signature = async () => (await registry.plugins.metadata(digest)).signature

  for (const as of ['raw', 'tar', 'tar+gzip'] satisfies Wrapping[]) {
    it(`list what oras pushes as ${as}, and give its bytes`, async () => {
      const { digest: manifest } = await registry.pushPlugin('mine/coredump', '0.3.0', COREDUMP.bytes, { as })
      expect(await registry.listed('coredump')).to.deep.equal([`0.2.0 1 ${hexOf(digest).slice(0, 7)}`])
      const bytes = await (await registry.plugins.open(digest)).read().toArray()
      expect(Buffer.concat(bytes)).to.deep.equal(Buffer.from(COREDUMP.bytes))
      expect(await registry.blobs.stat(repo('mine/coredump'), digest)).to.equal(COREDUMP.bytes.length)
      const short = await registry.manifest('mine/coredump', hexOf(digest).slice(0, 7))
      expect(short.digest).to.equal(manifest)
    })
  }

  describe('of one binary in two manifests', () => {
    let first: { digest: typeof digest }
    let second: { digest: typeof digest }

    beforeEach(async () => {
      first = await registry.pushPlugin('a', 'v1', COREDUMP.bytes, { signature: 'aa' })
      second = await registry.pushPlugin('b', 'v1', COREDUMP.bytes, { signature: 'bb', as: 'tar' })
    })

    it('list it once, with the first signature', async () => {
      expect(await registry.listed('coredump')).to.have.length(1)
      expect(await signature()).to.equal('aa')
    })

    it('let the next take over when the first goes', async () => {
      await registry.manifests.delete(repo('a'), first.digest)
      expect(await signature()).to.equal('bb')
      const [row] = await registry.plugins.variants('coredump', {}, 0, 5)
      expect(row?.signature).to.equal('bb')
      expect(await registry.listed('coredump')).to.have.length(1)
      await registry.manifests.delete(repo('b'), second.digest)
      expect(await refusal(registry.plugins.metadata(digest))).to.equal('PLUGIN_UNKNOWN')
      expect(await registry.names()).to.deep.equal([])
    })

    it('keep the first when the second goes', async () => {
      await registry.manifests.delete(repo('b'), second.digest)
      expect(await signature()).to.equal('aa')
    })

    it('put the first behind when it comes back', async () => {
      await registry.manifests.delete(repo('a'), first.digest)
      await registry.pushPlugin('a', 'v1', COREDUMP.bytes, { signature: 'aa' })
      expect(await signature()).to.equal('bb')
    })

    it('keep the first in its place when it is pushed again', async () => {
      await registry.pushPlugin('a', 'again', COREDUMP.bytes, { signature: 'aa' })
      expect(await signature()).to.equal('aa')
    })

    it('of which one has its tag deleted stay', async () => {
      await registry.manifests.delete(repo('a'), 'v1' as never)
      expect(await signature()).to.equal('aa')
    })

    it('all go with the binary', async () => {
      await registry.plugins.delete(digest)
      expect((await registry.discovery.repositories(10)).items).to.deep.equal([])
      expect(await registry.rows(CLAIMS)).to.deep.equal({})
      expect(await registry.rows(CLAIMED)).to.deep.equal({})
      expect(await registry.rows(BINARIES)).to.deep.equal({})
    })
  })

  it('of two manifests in one repository lead by short digest to one that is there', async () => {
    const one = await registry.pushPlugin('a', 'v1', COREDUMP.bytes, { signature: 'aa' })
    const two = await registry.pushPlugin('a', 'v2', COREDUMP.bytes, { signature: 'bb' })
    const short = hexOf(digest).slice(0, 7)
    const { digest: found } = await registry.manifest('a', short)
    const [left] = [one, two].filter(manifest => manifest.digest !== found)
    await registry.manifests.delete(repo('a'), found)
    expect((await registry.manifest('a', short)).digest).to.equal(left?.digest)
  })

  it('of several binaries in one manifest go with it', async () => {
    const layers = [await registry.pushBlob('a', COREDUMP.bytes), await registry.pushBlob('a', PAIR.bytes)]
    const { digest: manifest } = await registry.pushImage('a', 'v1', layers)
    expect(await registry.names()).to.deep.equal(['coredump', 'qemu', 'win32'])
    await registry.manifests.delete(repo('a'), manifest)
    expect(await registry.names()).to.deep.equal([])
  })

  it('of a manifest pushed by both algorithms are two', async () => {
    const { digest: by256 } = await registry.pushPlugin('a', 'v1', COREDUMP.bytes)
    const { bytes, mediaType } = await registry.manifests.get(repo('a'), by256)
    const by512 = digestOf(bytes, 'sha512')
    await registry.manifests.put(repo('a'), by512, bytes, mediaType)
    await registry.manifests.delete(repo('a'), by256)
    expect(await registry.listed('coredump')).to.have.length(1)
    await registry.manifests.delete(repo('a'), by512)
    expect(await registry.listed('coredump')).to.have.length(0)
  })

  describe('tell when the plugin was published', () => {
    const clock = new StoppedClock()
    const day = (n: number) => BigInt(Date.parse(`2024-01-0${n}T00:00:00Z`)) * 1_000_000n
    const ours = { artifactType: 'application/vnd.memflow.plugin.v1' }
    const written = (text: string) => ({ annotations: { 'org.opencontainers.image.created': text } })

    beforeEach(async () => {
      registry = await open({ clock })
      clock.time = day(5)
    })

    const created = async (more: object) => {
      await registry.pushImage('a', 'v1', [await registry.pushBlob('a', COREDUMP.bytes)], more)
      return (await registry.plugins.metadata(digest)).created_at
    }

    it('by the clock, for what other tools push', async () => {
      expect(await created({})).to.equal('2024-01-05T00:00:00')
    })

    it('by the clock, whatever other tools write', async () => {
      expect(await created(written('2020-01-01T00:00:00Z'))).to.equal('2024-01-05T00:00:00')
    })

    it('by an artifact of ours, which keeps its time where it is copied to', async () => {
      expect(await created({ ...ours, ...written('2024-01-02T03:04:05.000000006Z') })).to.equal(
        '2024-01-02T03:04:05.000000006',
      )
    })

    for (const text of [
      '2024-01-06T00:00:00Z',
      '9999-12-31T23:59:59Z',
      '1066-10-14T09:00:00Z',
      'yesterday',
      '',
    ]) {
      it(`by the clock, where an artifact of ours says ${text || 'nothing'}`, async () => {
        expect(await created({ ...ours, ...written(text) })).to.equal('2024-01-05T00:00:00')
      })
    }

    it('and keep the time when it is pushed again', async () => {
      await created({})
      clock.time = day(7)
      expect(await created({})).to.equal('2024-01-05T00:00:00')
    })
  })
})

import { buffer } from 'node:stream/consumers'
import { expect } from 'chai'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import type { PluginDescriptor } from '../../src/plugin/descriptor.ts'
import { examine } from '../../src/plugin/examine.ts'
import { FsBlobStore } from '../../src/store/fs-store.ts'
import { FaultyFs } from '../support/faults.ts'
import { type PluginFile, plugin } from '../support/plugins.ts'
import { refusal } from '../support/refusal.ts'
import { type CoreRegistry, once, openBlob, registries, repo } from '../support/registry.ts'
import { signer } from '../support/signer.ts'
import { storages } from '../support/storage.ts'

const COREDUMP = plugin('libmemflow_coredump-0.2.0.x86_64.so')
const digest = digestOf(COREDUMP.bytes)

const TABLES = [
  'repository',
  'link',
  'holder',
  'manifest',
  'bytes',
  'composed',
  'tag',
  'tagged',
  'referrer',
  'referrer-type',
  'claim',
  'claimed',
  'binary',
  'build',
  'file',
  'variant',
  'variant-digest',
  'name',
]

describe('core/plugins', () => {
  const open = registries()
  const storage = storages()
  const alice = signer()
  const mallory = signer()
  let registry: CoreRegistry

  beforeEach(async () => {
    registry = await open()
  })

  const rowsOf = async (of: CoreRegistry) => {
    const counts: Record<string, number> = {}
    for (const prefix of TABLES) {
      const { length } = await of.index.page({ prefix, encoding: 'bytes' }, [])
      if (length > 0) counts[prefix] = length
    }
    return counts
  }
  const unstaged = async (of: CoreRegistry) =>
    expect(await of.store.expireUploads(new Date(Date.now() + 60_000)), 'staged').to.equal(0)

  describe('publish', () => {
    it('opens the file that it stages once, and once more for writes past the page cache', async () => {
      const folder = await storage()
      const watched = new FaultyFs(folder)
      const store = await FsBlobStore.open(folder, { fs: watched.fs })
      const other = await open({ store })
      watched.calls.length = 0
      expect(await other.publish(COREDUMP.bytes)).to.equal(true)
      const staged = watched.calls.filter(call => /^open uploads\//.test(call))
      // One more for the config of the artifact.
      expect(new Set(staged).size).to.equal(2)
      expect(staged.length).to.be.within(2, 3)
    })

    it('puts a plugin where both APIs find it', async () => {
      expect(await registry.publish(COREDUMP.bytes, 'aabb')).to.equal(true)
      expect(await registry.plugins.names()).to.deep.equal([
        { name: 'coredump', description: COREDUMP.descriptors[0]?.description },
      ])
      const [row] = await registry.plugins.variants('coredump', {}, 0, 5)
      expect(row).to.deep.include({
        digest: hexOf(digest),
        signature: 'aabb',
        descriptor: COREDUMP.descriptors[0],
      })
      expect(row?.created_at).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,9}$/)
      const { size, ...metadata } = await registry.plugins.metadata(digest)
      expect(size).to.equal(COREDUMP.bytes.length)
      expect(metadata).to.deep.equal({
        digest: hexOf(digest),
        signature: 'aabb',
        created_at: row?.created_at,
        descriptors: COREDUMP.descriptors,
      })
      expect(Object.keys(metadata)).to.deep.equal(['digest', 'signature', 'created_at', 'descriptors'])
      const bytes = await buffer((await registry.plugins.open(digest)).read())
      expect(bytes).to.deep.equal(Buffer.from(COREDUMP.bytes))
      const short = await registry.manifest('coredump', hexOf(digest).slice(0, 7))
      expect(short).to.deep.include({ artifactType: 'application/vnd.memflow.plugin.v1' })
      expect(await registry.platforms('coredump', 'latest')).to.deep.equal({ 'linux/amd64': short.digest })
      const config = short.config as { digest: typeof digest }
      const text = await buffer((await openBlob(registry, repo('coredump'), config.digest)).read())
      expect(JSON.parse(text.toString())).to.deep.equal({ descriptors: COREDUMP.descriptors })
      expect(await registry.blobs.stat(repo('coredump'), digest)).to.equal(size)
    })

    it('says that it is there already, and keeps the first signature', async () => {
      await registry.publish(COREDUMP.bytes, 'aabb')
      const before = await rowsOf(registry)
      expect(await registry.publish(COREDUMP.bytes, 'ccdd')).to.equal(false)
      expect((await registry.plugins.metadata(digest)).signature).to.equal('aabb')
      expect(await rowsOf(registry)).to.deep.equal(before)
    })

    it('of the same by many at once adds it once', async () => {
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, (_, i) => registry.publish(COREDUMP.bytes, `0${i}`)),
      )
      expect(outcomes.filter(Boolean)).to.have.length(1)
      expect(await registry.listed('coredump')).to.have.length(1)
    })

    it('of the same by many at once tells nobody of it before it is there to read', async () => {
      await Promise.all(
        Array.from({ length: 5 }, async () => {
          await registry.publish(COREDUMP.bytes)
          expect((await registry.plugins.metadata(digest)).digest).to.equal(hexOf(digest))
        }),
      )
    })

    it('of many different at once lists them all', async () => {
      const files = (
        [
          'libmemflow_coredump-0.2.0.x86_64.so',
          'libmemflow_coredump-0.2.0.x86.so',
          'libmemflow_coredump-0.2.0.arm64.so',
          'memflow_coredump-0.2.0.x86_64.dll',
          'libmemflow_coredump-0.2.1.x86_64.so',
          'libmemflow_pair-0.2.0.x86_64.so',
          'libmemflow_native-0.2.0.x86_64.so',
        ] satisfies PluginFile[]
      ).map(plugin)
      await Promise.all(files.map(({ bytes }) => registry.publish(bytes)))
      expect(await registry.names()).to.deep.equal(['coredump', 'native', 'qemu', 'win32'])
      expect(await registry.listed('coredump')).to.have.length(5)
      expect(Object.keys(await registry.platforms('coredump', '0.2.0'))).to.deep.equal([
        'linux/386',
        'linux/amd64',
        'linux/arm64',
        'windows/amd64',
      ])
    })

    it('puts a binary with two plugins into both repositories, stored once', async () => {
      const own = await open({ ownStore: true })
      const pair = plugin('libmemflow_pair-0.2.0.x86_64.so')
      await own.publish(pair.bytes, 'aabb')
      expect(await own.names()).to.deep.equal(['qemu', 'win32'])
      expect((await own.discovery.repositories(10)).items).to.deep.equal(['qemu', 'win32'])
      const [qemu, win32] = [
        await own.manifest('qemu', digestOf(pair.bytes).slice(7, 14)),
        await own.manifest('win32', digestOf(pair.bytes).slice(7, 14)),
      ]
      expect(qemu.digest).not.to.equal(win32.digest)
      expect(qemu.config).to.deep.equal(win32.config)
      // The binary and the config that both manifests share.
      expect(await own.stored()).to.have.length(2)
      const listed = await own.plugins.variants('win32', {}, 0, 5)
      expect(listed.map(({ descriptor }) => descriptor.name)).to.deep.equal(['win32'])
      expect((await own.plugins.metadata(digestOf(pair.bytes))).descriptors).to.deep.equal(pair.descriptors)
    })

    it('keeps two plugins of one name in one binary, in one manifest', async () => {
      const native = plugin('libmemflow_native-0.2.0.x86_64.so')
      await registry.publish(native.bytes)
      const rows = await registry.plugins.variants('native', {}, 0, 5)
      expect(rows.map(({ descriptor }) => descriptor.plugin_kind)).to.deep.equal(['os', 'connector'])
      expect(Object.keys(await registry.platforms('native', 'latest'))).to.deep.equal(['linux/amd64'])
    })

    it('gives a plugin of any name a repository', async () => {
      const descriptor = { ...COREDUMP.descriptors[0], name: '内存 Dump' } as PluginDescriptor
      const other = await open({
        analyzer: { examine: async file => ({ ...examine(file), descriptors: [descriptor] }) },
      })
      await other.publish(COREDUMP.bytes)
      expect((await other.discovery.repositories(10)).items).to.deep.equal(['dump'])
      expect(await other.names()).to.deep.equal(['内存 Dump'])
      expect(await other.listed('内存 Dump')).to.have.length(1)
    })
  })

  describe('a refusal', () => {
    let own: CoreRegistry

    beforeEach(async () => {
      own = await open({ ownStore: true, keys: alice.pem, policy: { maxPluginSize: 5000 } })
    })

    const refused = async (bytes: Uint8Array, signature: string) => {
      const outcome = await refusal(own.publish(bytes, signature))
      expect(await own.stored()).to.deep.equal([])
      expect(await rowsOf(own)).to.deep.equal({})
      await unstaged(own)
      return outcome
    }

    it('leaves nothing behind where the signature is wrong', async () => {
      for (const signature of ['', 'aabb', mallory.sign(COREDUMP.bytes), alice.sign(Buffer.from('other'))]) {
        expect(await refused(COREDUMP.bytes, signature)).to.equal('SIGNATURE_INVALID')
      }
    })

    it('leaves nothing behind where there is no plugin', async () => {
      const plain = plugin('libplain.x86_64.so').bytes
      expect(await refused(plain, alice.sign(plain))).to.equal('inventory: not found')
      const text = Buffer.from('hello')
      expect(await refused(text, alice.sign(text))).to.equal('inventory: not supported')
      const cut = COREDUMP.bytes.subarray(0, 100)
      expect(await refused(cut, alice.sign(cut))).to.match(/^inventory: /)
    })

    it('leaves nothing behind where it is too large', async () => {
      expect(await refused(new Uint8Array(5001), 'aabb')).to.equal('PLUGIN_TOO_LARGE')
    })

    it('judges the signature before anything else, and before it says that the plugin is there already', async () => {
      const text = Buffer.from('hello')
      expect(await refused(text, mallory.sign(text))).to.equal('SIGNATURE_INVALID')
      await own.publish(COREDUMP.bytes, alice.sign(COREDUMP.bytes))
      expect(await refusal(own.publish(COREDUMP.bytes, mallory.sign(COREDUMP.bytes)))).to.equal(
        'SIGNATURE_INVALID',
      )
      expect(await own.publish(COREDUMP.bytes, alice.sign(COREDUMP.bytes))).to.equal(false)
      await unstaged(own)
    })
  })

  describe('find', () => {
    it('knows a binary by how its digest begins', async () => {
      await registry.publish(COREDUMP.bytes)
      for (const length of [7, 20, 64]) {
        expect(await registry.plugins.find(hexOf(digest).slice(0, length))).to.equal(digest)
      }
    })

    it('says where it is none, or not the only one', async () => {
      expect(await refusal(registry.plugins.find('abc'))).to.equal('PLUGIN_UNKNOWN')
      await registry.publish(COREDUMP.bytes)
      await registry.publish(plugin('libmemflow_native-0.2.0.x86_64.so').bytes)
      expect(await refusal(registry.plugins.find(''))).to.equal('BAD_REQUEST')
      expect(await refusal(registry.plugins.find(`${hexOf(digest)}0`))).to.equal('PLUGIN_UNKNOWN')
    })
  })

  it('knows only plugins, not every blob', async () => {
    const blob = await registry.pushBlob('a', 'abc')
    expect(await refusal(registry.plugins.metadata(blob.digest))).to.equal('PLUGIN_UNKNOWN')
    expect(await refusal(registry.plugins.open(blob.digest))).to.equal('PLUGIN_UNKNOWN')
    expect(await refusal(registry.plugins.delete(blob.digest))).to.equal('PLUGIN_UNKNOWN')
  })

  describe('delete', () => {
    it('takes the binary out of every listing, repository and tag', async () => {
      const pair = plugin('memflow_pair-0.2.0.x86_64.dll')
      await registry.publish(pair.bytes)
      await registry.pushPlugin('backup/pair', 'v1', pair.bytes, { as: 'tar+gzip' })
      await registry.plugins.delete(digestOf(pair.bytes))
      expect(await registry.names()).to.deep.equal([])
      expect(await registry.listed('qemu')).to.deep.equal([])
      expect(await refusal(registry.plugins.metadata(digestOf(pair.bytes)))).to.equal('PLUGIN_UNKNOWN')
      expect(await refusal(registry.plugins.open(digestOf(pair.bytes)))).to.equal('PLUGIN_UNKNOWN')
      expect((await registry.discovery.repositories(10)).items).to.deep.equal([])
      const left = Object.keys(await rowsOf(registry))
      expect(left).to.deep.equal(['link', 'holder'])
    })

    it('leaves other builds', async () => {
      const other = plugin('libmemflow_coredump-0.2.1.x86_64.so')
      await registry.publish(COREDUMP.bytes)
      await registry.publish(other.bytes)
      await registry.plugins.delete(digestOf(other.bytes))
      expect(await registry.listed('coredump')).to.deep.equal([`0.2.0 1 ${hexOf(digest).slice(0, 7)}`])
      expect(await registry.tags('coredump')).to.deep.equal(['0.2.0', '0.2.0-abi1', 'abi1', 'latest'])
    })

    it('works once, and the plugin can come again', async () => {
      await registry.publish(COREDUMP.bytes)
      const outcomes = await Promise.all([1, 2, 3].map(() => refusal(registry.plugins.delete(digest))))
      expect(outcomes.sort()).to.deep.equal(['PLUGIN_UNKNOWN', 'PLUGIN_UNKNOWN', 'nothing: it went well'])
      expect(await registry.publish(COREDUMP.bytes, 'ccdd')).to.equal(true)
      expect((await registry.plugins.metadata(digest)).signature).to.equal('ccdd')
    })

    it('and publish in turns leave the listing whole', async () => {
      const work = Array.from({ length: 12 }, (_, i) =>
        i % 3 === 2 ? refusal(registry.plugins.delete(digest)) : registry.publish(COREDUMP.bytes),
      )
      await Promise.all(work)
      const listed = await registry.listed('coredump')
      expect(listed.length).to.be.at.most(1)
      expect(await registry.names()).to.deep.equal(listed.length === 1 ? ['coredump'] : [])
    })
  })

  it('a binary whose bytes are gone is unknown', async () => {
    const own = await open({ ownStore: true })
    await own.publish(COREDUMP.bytes)
    await own.store.remove(digest)
    expect(await refusal(own.plugins.open(digest))).to.equal('PLUGIN_UNKNOWN')
  })

  it('a body that breaks off leaves nothing staged', async () => {
    const own = await open({ ownStore: true })
    async function* broken() {
      yield* once('\x7fELF')
      throw new Error('connection lost')
    }
    expect(await refusal(own.plugins.stage(broken()))).to.equal('connection lost')
    await unstaged(own)
  })
})

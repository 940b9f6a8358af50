import { expect } from 'chai'
import { COMPOSED, TAGS } from '../../src/index/tables.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX } from '../../src/oci/media-types.ts'
import { type PluginFile, plugin } from '../support/plugins.ts'
import { refusal } from '../support/refusal.ts'
import { type CoreRegistry, registries, repo, tag } from '../support/registry.ts'

const LINUX = 'libmemflow_coredump-0.2.0.x86_64.so'
const LINUX_ARM = 'libmemflow_coredump-0.2.0.arm64.so'
const WINDOWS = 'memflow_coredump-0.2.0.x86_64.dll'
const UNIVERSAL = 'libmemflow_coredump-0.2.0.universal.dylib'
const NEXT = 'libmemflow_coredump-0.2.1.x86_64.so'
const NEXT_ABI = 'libmemflow_coredump-0.2.1-abi2.x86_64.so'
const BETA = 'libmemflow_coredump-0.2.0-beta.1.x86_64.so'
const BUILD = 'libmemflow_coredump-0.2.0+build.7.x86_64.so'
const HOME = repo('coredump')

const digestIn = (file: PluginFile) => digestOf(plugin(file).bytes)
const short = (file: PluginFile) => digestIn(file).slice(7, 14)

describe('core/composed-tags', () => {
  const open = registries()
  let registry: CoreRegistry

  beforeEach(async () => {
    registry = await open()
  })

  const publish = async (...files: PluginFile[]) => {
    for (const file of files) await registry.publish(plugin(file).bytes)
  }
  /** The file that a platform gets by a tag. */
  const picks = async (reference: string) => {
    const byManifest = new Map<string, string>()
    for (const file of [LINUX, LINUX_ARM, WINDOWS, UNIVERSAL, NEXT, NEXT_ABI, BETA, BUILD] as const) {
      const known = await registry.manifests.get(HOME, tag(short(file))).catch(() => undefined)
      if (known) byManifest.set(known.digest, file)
    }
    const platforms = Object.entries(await registry.platforms('coredump', reference))
    return Object.fromEntries(platforms.map(([platform, digest]) => [platform, byManifest.get(digest)]))
  }
  const isComposed = async (name: string) => (await registry.index.get(TAGS, HOME, name))?.composed

  it('give each platform its build of a version', async () => {
    await publish(LINUX, WINDOWS, LINUX_ARM)
    for (const name of ['0.2.0', '0.2.0-abi1', 'abi1', 'latest']) {
      expect(await picks(name), name).to.deep.equal({
        'linux/amd64': LINUX,
        'linux/arm64': LINUX_ARM,
        'windows/amd64': WINDOWS,
      })
    }
  })

  it('are one image index as long as they say the same', async () => {
    await publish(LINUX)
    const names = ['0.2.0', '0.2.0-abi1', 'abi1', 'latest']
    const digests = await Promise.all(
      names.map(async name => (await registry.manifest('coredump', name)).digest),
    )
    expect(new Set(digests)).to.have.length(1)
    const stored = await registry.manifests.get(HOME, tag('latest'))
    expect(stored.mediaType).to.equal(OCI_INDEX)
    expect(digestOf(stored.bytes)).to.equal(stored.digest)
  })

  it('name a universal binary for each of its machines', async () => {
    await publish(UNIVERSAL)
    expect(await picks('0.2.0')).to.deep.equal({ 'darwin/amd64': UNIVERSAL, 'darwin/arm64': UNIVERSAL })
  })

  it('take the newest build of a platform, by whichever order', async () => {
    await publish(NEXT, LINUX, WINDOWS)
    expect(await picks('latest')).to.deep.equal({ 'linux/amd64': LINUX, 'windows/amd64': WINDOWS })
    expect(await picks('0.2.1')).to.deep.equal({ 'linux/amd64': NEXT })
    expect(await picks('0.2.0')).to.deep.equal({ 'linux/amd64': LINUX, 'windows/amd64': WINDOWS })
  })

  it('take the highest ABI before the newest build', async () => {
    await publish(NEXT_ABI, NEXT, LINUX, BETA)
    expect(await picks('latest')).to.deep.equal({ 'linux/amd64': NEXT_ABI })
    expect(await picks('0.2.1')).to.deep.equal({ 'linux/amd64': NEXT_ABI })
    expect(await picks('0.2.1-abi1')).to.deep.equal({ 'linux/amd64': NEXT })
    expect(await picks('abi1')).to.deep.equal({ 'linux/amd64': LINUX })
    expect(await picks('abi-5')).to.deep.equal({ 'linux/amd64': BETA })
  })

  it('spell a plus as an underscore', async () => {
    await publish(BUILD)
    expect(await registry.tags('coredump')).to.deep.equal([
      '0.2.0_build.7',
      '0.2.0_build.7-abi1',
      'abi1',
      'latest',
    ])
  })

  it('are the same, to the byte, in whichever order the builds come', async () => {
    const digests = async (files: PluginFile[]) => {
      const other = await open()
      for (const file of files) {
        const { bytes } = plugin(file)
        await other.pushPlugin('coredump', undefined, bytes, {
          artifactType: 'application/vnd.memflow.plugin.v1',
        })
      }
      return (await other.manifest('coredump', '0.2.0')).digest
    }
    expect(await digests([LINUX, WINDOWS, UNIVERSAL])).to.equal(await digests([UNIVERSAL, WINDOWS, LINUX]))
  })

  it('leave out a machine that there is no name for', async () => {
    await registry.publish(plugin('libmemflow_shape-riscv64.so').bytes)
    expect(await registry.names()).to.deep.equal(['shape'])
    expect(await registry.tags('shape')).to.deep.equal([])
  })

  it('are made for what oras pushes into the repository of the plugin, and nowhere else', async () => {
    await registry.pushPlugin('coredump', 'mine', plugin(LINUX).bytes)
    await registry.pushPlugin('backup/coredump', 'mine', plugin(WINDOWS).bytes)
    expect(await registry.tags('coredump')).to.deep.equal(['0.2.0', '0.2.0-abi1', 'abi1', 'latest', 'mine'])
    expect(await registry.tags('backup/coredump')).to.deep.equal(['mine'])
    expect(Object.keys(await registry.platforms('coredump', 'latest'))).to.deep.equal(['linux/amd64'])
  })

  describe('beside what users tag', () => {
    it('never take the place of a tag that was there before', async () => {
      const mine = await registry.pushImage('coredump', 'latest', [
        await registry.pushBlob('coredump', 'mine'),
      ])
      await publish(LINUX, NEXT)
      expect((await registry.manifest('coredump', 'latest')).digest).to.equal(mine.digest)
      expect(await isComposed('latest')).to.equal(undefined)
      expect(await picks('0.2.0')).to.deep.equal({ 'linux/amd64': LINUX })
    })

    it('give way to a tag that comes later, and leave it alone', async () => {
      await publish(LINUX)
      const mine = await registry.pushImage('coredump', 'latest', [
        await registry.pushBlob('coredump', 'mine'),
      ])
      await publish(NEXT)
      await registry.plugins.delete(digestIn(NEXT))
      expect((await registry.manifest('coredump', 'latest')).digest).to.equal(mine.digest)
    })

    it('come back, up to date, when it is deleted', async () => {
      await publish(LINUX)
      const mine = await registry.pushImage('coredump', 'latest', [
        await registry.pushBlob('coredump', 'mine'),
      ])
      await publish(NEXT)
      await registry.manifests.delete(HOME, tag('latest'))
      expect(await picks('latest')).to.deep.equal({ 'linux/amd64': NEXT })
      expect(await isComposed('latest')).to.equal(true)
      expect((await registry.manifest('coredump', mine.digest)).digest).to.equal(mine.digest)
    })

    it('come back when the manifest under it is deleted', async () => {
      await publish(LINUX)
      const mine = await registry.pushImage('coredump', 'latest', [
        await registry.pushBlob('coredump', 'mine'),
      ])
      await registry.manifests.delete(HOME, mine.digest)
      expect(await picks('latest')).to.deep.equal({ 'linux/amd64': LINUX })
    })

    it('keep off a tag that a user put on the plugin itself', async () => {
      const mine = await registry.pushPlugin('coredump', '0.2.0', plugin(LINUX).bytes)
      await publish(WINDOWS)
      expect((await registry.manifest('coredump', '0.2.0')).digest).to.equal(mine.digest)
      expect(Object.keys(await registry.platforms('coredump', '0.2.0-abi1'))).to.deep.equal([
        'linux/amd64',
        'windows/amd64',
      ])
    })

    it('belong to the user who pushes the same index', async () => {
      await publish(LINUX)
      const { bytes, digest } = await registry.manifests.get(HOME, tag('latest'))
      await registry.manifests.put(HOME, tag('latest'), bytes, OCI_INDEX)
      expect(await isComposed('latest')).to.equal(undefined)
      expect(await registry.index.get(COMPOSED, HOME, digest)).to.equal(undefined)
      await publish(NEXT)
      expect((await registry.manifest('coredump', 'latest')).digest).to.equal(digest)
      await registry.plugins.delete(digestIn(LINUX))
      await registry.plugins.delete(digestIn(NEXT))
      expect(await registry.tags('coredump')).to.deep.equal(['latest'])
    })

    it('stay when a user deletes one of them, by tag or by digest', async () => {
      await publish(LINUX)
      const { digest } = await registry.manifest('coredump', 'latest')
      await registry.manifests.delete(HOME, tag('latest'))
      await registry.manifests.delete(HOME, digest)
      expect(await registry.tags('coredump')).to.deep.equal(['0.2.0', '0.2.0-abi1', 'abi1', 'latest'])
      expect((await registry.manifest('coredump', 'latest')).digest).to.equal(digest)
    })
  })

  describe('when builds go', () => {
    it('fall back to the build before', async () => {
      await publish(LINUX, NEXT, WINDOWS)
      await registry.plugins.delete(digestIn(NEXT))
      expect(await picks('latest')).to.deep.equal({ 'linux/amd64': LINUX, 'windows/amd64': WINDOWS })
      expect(await registry.tags('coredump')).not.to.include('0.2.1')
    })

    it('go with the last, and the repository with them', async () => {
      await publish(LINUX, NEXT)
      await registry.plugins.delete(digestIn(LINUX))
      await registry.plugins.delete(digestIn(NEXT))
      expect(await refusal(registry.tags('coredump'))).to.equal('NAME_UNKNOWN')
      expect(await registry.rows(COMPOSED)).to.deep.equal({})
    })

    it('leave an older index to whoever has its digest, as long as there are builds', async () => {
      await publish(LINUX)
      const { digest } = await registry.manifest('coredump', 'latest')
      await publish(NEXT)
      expect((await registry.manifest('coredump', 'latest')).digest).not.to.equal(digest)
      expect((await registry.manifest('coredump', digest)).digest).to.equal(digest)
    })

    it('go where the manifest is deleted over OCI', async () => {
      await publish(LINUX)
      const { digest } = await registry.manifest('coredump', short(LINUX))
      await registry.manifests.delete(HOME, digest)
      expect(await refusal(registry.tags('coredump'))).to.equal('NAME_UNKNOWN')
      expect(await registry.names()).to.deep.equal([])
    })
  })

  describe('and the first digits of a binary', () => {
    it('lead to its manifest, from seven on', async () => {
      await publish(LINUX, NEXT)
      const hex = digestIn(LINUX).slice(7)
      const { digest } = await registry.manifest('coredump', hex.slice(0, 7))
      expect((await registry.manifest('coredump', hex)).digest).to.equal(digest)
      expect(await refusal(registry.manifest('coredump', hex.slice(0, 6)))).to.equal('MANIFEST_UNKNOWN')
    })

    it('give way to a tag that reads the same', async () => {
      await publish(LINUX)
      const mine = await registry.pushImage('coredump', short(LINUX), [])
      expect((await registry.manifest('coredump', short(LINUX))).digest).to.equal(mine.digest)
      await registry.manifests.delete(HOME, tag(short(LINUX)))
      expect((await registry.manifest('coredump', short(LINUX))).digest).not.to.equal(mine.digest)
    })

    it('lead nowhere in another repository', async () => {
      await publish(LINUX)
      await registry.pushImage('other', 'v1', [])
      expect(await refusal(registry.manifest('other', short(LINUX)))).to.equal('MANIFEST_UNKNOWN')
    })
  })
})

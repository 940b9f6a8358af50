import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { FolderReader } from '../../../src/archive/folder-reader.ts'
import { Restore, type Restored, type RestoreOptions } from '../../../src/core/backup/restore.ts'
import { MANIFESTS, REPOSITORIES } from '../../../src/index/tables.ts'
import { rfc3339 } from '../../../src/lib/clock.ts'
import { type Digest, digestOf } from '../../../src/oci/digest.ts'
import { LAYOUT_HEADER, layoutPath } from '../../../src/oci/layout.ts'
import type { Descriptor } from '../../../src/oci/manifest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import type { Repository } from '../../../src/oci/name.ts'
import { EMPTY, imageIndex, imageManifest, type Located } from '../../support/oci.ts'
import { plugin } from '../../support/plugins.ts'
import { refusal } from '../../support/refusal.ts'
import { type CoreRegistry, registries } from '../../support/registry.ts'
import { signer } from '../../support/signer.ts'
import { tmpDir } from '../../support/tmp.ts'

const NAME = 'org.opencontainers.image.ref.name'
const REPOSITORY = 'io.memflow.registry.repository'
const PUSHED = 'io.memflow.registry.pushed'
const COMPOSED = 'io.memflow.registry.composed'

describe('core: restore', () => {
  const open = registries()
  const fresh = tmpDir()
  const alice = signer()

  /** A layout that is written by hand, as any tool may. */
  class Layout {
    readonly folder: string
    readonly #listed: object[] = []

    constructor(folder: string) {
      this.folder = folder
    }

    async blob(content: string | Uint8Array, digest: Digest = digestOf(content)): Promise<Located> {
      const path = join(this.folder, layoutPath(digest))
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, content)
      return { mediaType: 'text/plain', digest, size: Buffer.byteLength(content) }
    }

    async image(layers: readonly Descriptor[], more: object = {}): Promise<Located> {
      await this.blob('{}')
      return { ...(await this.blob(imageManifest(layers, more))), mediaType: OCI_MANIFEST }
    }

    async index(manifests: readonly Descriptor[]): Promise<Located> {
      return { ...(await this.blob(imageIndex(manifests))), mediaType: OCI_INDEX }
    }

    list(descriptor: Descriptor, annotations: Record<string, string> = {}): this {
      this.#listed.push({ ...descriptor, annotations })
      return this
    }

    async into(registry: CoreRegistry, options: RestoreOptions = {}): Promise<Restored> {
      await writeFile(join(this.folder, 'oci-layout'), LAYOUT_HEADER)
      await writeFile(
        join(this.folder, 'index.json'),
        JSON.stringify({ schemaVersion: 2, manifests: this.#listed }),
      )
      return new Restore(registry.parts, new FolderReader(this.folder), options).run()
    }
  }

  const layout = async () => new Layout(await fresh())
  const into = { repository: 'team/app' as Repository }
  const manifestsOf = async ({ index }: CoreRegistry) =>
    (await index.page(MANIFESTS, [])).map(({ key }) => key.join(' '))

  describe('of a layout that another tool has written', () => {
    it('puts its manifests where it is told, with their tags, and what they name', async () => {
      const registry = await open({ ownStore: true })
      const made = await layout()
      const child = await made.image([await made.blob('a layer')])
      const top = await made.index([child])
      const sum = await made.list(top, { [NAME]: 'docker.io/library/app:v1' }).into(registry, into)
      expect(sum).to.deep.include({ repositories: 1, manifests: 2, tags: 1, blobs: 2, bytes: 9, failed: [] })
      expect((await registry.manifest('team/app', 'v1')).digest).to.equal(top.digest)
      expect((await registry.manifest('team/app', child.digest)).digest).to.equal(child.digest)
      expect(await registry.blobs.stat('team/app' as Repository, digestOf('a layer'))).to.equal(7)
    })

    it('lists the plugins in it, by the rules of a push', async () => {
      const registry = await open({ ownStore: true, keys: alice.pem })
      const made = await layout()
      const [good, bad] = [
        plugin('libmemflow_coredump-0.2.0.x86_64.so').bytes,
        plugin('libmemflow_native-0.2.0.x86_64.so').bytes,
      ]
      for (const [bytes, signature] of [
        [good, alice.sign(good)],
        [bad, alice.sign(good)],
      ] as const) {
        const layer = await made.blob(bytes)
        made.list(await made.image([layer], { annotations: { 'io.memflow.plugin.signature': signature } }))
      }
      expect(await made.into(registry, { repository: 'coredump' as Repository })).to.include({ manifests: 2 })
      expect(await registry.names()).to.deep.equal(['coredump'])
      expect(await registry.tags('coredump')).to.include('0.2.0')
    })

    it('without --repository -> says that it is needed; with one that has no use -> says so', async () => {
      const registry = await open({ ownStore: true })
      const made = await layout()
      made.list(await made.image([]))
      expect(await refusal(made.into(registry))).to.match(
        /^it does not say which repository .*; use --repository NAME$/,
      )
      const own = await layout()
      own.list(await own.image([]), { [REPOSITORY]: 'a' })
      expect(await refusal(own.into(registry, into))).to.match(/leave --repository out$/)
      expect(await manifestsOf(registry)).to.deep.equal([])
    })
  })

  describe('beside what is there', () => {
    it('takes nothing away; a tag that is at another manifest stays, unless it is to be moved', async () => {
      const registry = await open({ ownStore: true })
      const here = await registry.pushImage('team/app', 'v1', [await registry.pushBlob('team/app', 'here')])
      const made = await layout()
      const there = await made.image([await made.blob('there')])
      made.list(there, { [NAME]: 'v1' }).list(there, { [NAME]: 'v2' })
      expect(await made.into(registry, into)).to.deep.include({
        kept: ['team/app:v1'],
        tags: 1,
        manifests: 1,
      })
      expect((await registry.manifest('team/app', 'v1')).digest).to.equal(here.digest)
      expect((await registry.manifest('team/app', 'v2')).digest).to.equal(there.digest)
      expect(await made.into(registry, { ...into, overwrite: true })).to.deep.include({ kept: [], tags: 2 })
      expect((await registry.manifest('team/app', 'v1')).digest).to.equal(there.digest)
      expect(await manifestsOf(registry)).to.have.length(2)
    })

    it('a manifest keeps the time at which it came here', async () => {
      const registry = await open({ ownStore: true })
      const image = await registry.pushImage('team/app', 'v1', [await registry.pushBlob('team/app', 'x')])
      const before = await registry.index.get(MANIFESTS, 'team/app', image.digest)
      const { bytes } = await registry.manifests.get('team/app' as Repository, image.digest)
      const made = await layout()
      await made.blob(bytes)
      await made.list(image, { [REPOSITORY]: 'team/app', [PUSHED]: rfc3339(1000n) }).into(registry)
      expect(await registry.index.get(MANIFESTS, 'team/app', image.digest)).to.deep.equal(before)
    })

    it('times of the layout hold, but are never ahead of the clock', async () => {
      const registry = await open({ ownStore: true })
      const made = await layout()
      const [old, ahead] = [await made.image([], { annotations: { a: 'a' } }), await made.image([])]
      made.list(ahead, { [REPOSITORY]: 'a', [PUSHED]: '2200-01-01T00:00:00.000000000Z' })
      await made.list(old, { [REPOSITORY]: 'a', [PUSHED]: rfc3339(123_456_789n) }).into(registry)
      const pushed = async (digest: Digest) =>
        BigInt((await registry.index.get(MANIFESTS, 'a', digest))?.pushed ?? 0)
      expect(await pushed(old.digest)).to.equal(123_456_789n)
      expect((await pushed(ahead.digest)) < registry.parts.clock.now()).to.equal(true)
      expect(await registry.index.get(REPOSITORIES, 'a')).to.deep.equal({ created: rfc3339(123_456_789n) })
    })
  })

  describe('of a layout that is not right', () => {
    const hex = (digest: Digest) => digest.slice(0, 14)

    async function failures(made: Layout, policy = {}): Promise<string[]> {
      const registry = await open({ ownStore: true, policy })
      const { failed } = await made.into(registry, into)
      return failed.map(({ digest, why }) => `${hex(digest)} ${why}`)
    }

    it('a blob that is missing or damaged is told, and the rest is there', async () => {
      const registry = await open({ ownStore: true })
      const made = await layout()
      const damaged = await made.blob('wrong', digestOf('right'))
      const missing = { mediaType: 'text/plain', digest: digestOf('missing'), size: 7 }
      const image = await made.image([damaged, missing, await made.blob('sound')])
      const { failed } = await made.list(image, { [NAME]: 'v1' }).into(registry, into)
      expect(failed.map(({ digest, why }) => `${hex(digest)} ${why}`)).to.deep.equal([
        `${hex(damaged.digest)} damaged`,
        `${hex(missing.digest)} missing`,
      ])
      expect((await registry.manifest('team/app', 'v1')).digest).to.equal(image.digest)
      expect(await registry.stored()).to.have.members([digestOf('sound'), EMPTY.digest])
      // A client that pushes it again heals it.
      expect(await refusal(registry.blobs.stat('team/app' as Repository, damaged.digest))).to.equal(
        'BLOB_UNKNOWN',
      )
    })

    it('what may be missing is not missed', async () => {
      const made = await layout()
      const foreign = 'application/vnd.oci.image.layer.nondistributable.v1.tar'
      const elsewhere = { mediaType: foreign, digest: digestOf('elsewhere'), size: 9 }
      made.list(await made.image([elsewhere]))
      expect(await failures(made)).to.deep.equal([])
      const sparse = await layout()
      const missing = { mediaType: OCI_MANIFEST, digest: digestOf('missing'), size: 7 }
      sparse.list(await sparse.index([missing]))
      expect(await failures(sparse)).to.deep.equal([`${hex(missing.digest)} missing`])
      expect(await failures(sparse, { sparseManifests: true })).to.deep.equal([])
    })

    it('a manifest that is missing, damaged, too large or none is told', async () => {
      const made = await layout()
      const missing = { mediaType: OCI_MANIFEST, digest: digestOf('missing'), size: 7 }
      const damaged = await made.blob('{}', digestOf('{ }'))
      const large = await made.blob(Buffer.alloc(4 * 1024 * 1024 + 1))
      const none = await made.blob('{"schemaVersion":2}')
      for (const one of [missing, damaged, large, none]) made.list({ ...one, mediaType: OCI_MANIFEST })
      const told = await failures(made)
      expect(told.slice(0, 3)).to.deep.equal([
        `${hex(missing.digest)} missing`,
        `${hex(damaged.digest)} damaged`,
        `${hex(large.digest)} larger than a manifest may be`,
      ])
      expect(told[3]).to.match(new RegExp(`^${hex(none.digest)} manifest must have required property`))
    })

    it('indexes that name each other deeply, and one thing many times, end', async () => {
      const made = await layout()
      let one = await made.image([])
      for (let i = 0; i < 200; i++) one = await made.index([one, one, one])
      const registry = await open({ ownStore: true })
      expect(await made.list(one).into(registry, into)).to.deep.include({ manifests: 201, failed: [] })
    })

    it('what says that the registry composed it is not taken for a push', async () => {
      const registry = await open({ ownStore: true })
      const made = await layout()
      const [image, index] = [await made.image([]), await made.index([])]
      made.list(image, { [REPOSITORY]: 'a', [COMPOSED]: 'true', [NAME]: 'a:v1' })
      made.list(index, { [REPOSITORY]: 'b', [COMPOSED]: 'true', [NAME]: 'b:v1' })
      expect(await made.into(registry)).to.include({ repositories: 0, manifests: 0, tags: 0 })
      expect(await manifestsOf(registry)).to.deep.equal([])
    })
  })
})

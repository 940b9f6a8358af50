import { expect } from 'chai'
import { type LeftOut, reindex } from '../../src/core/reindex.ts'
import { del } from '../../src/index/contract.ts'
import { COMPOSED, MANIFEST_BYTES, MANIFESTS } from '../../src/index/tables.ts'
import { OCI_INDEX } from '../../src/oci/media-types.ts'
import { fill } from '../support/filled.ts'
import { plugin } from '../support/plugins.ts'
import { refusal } from '../support/refusal.ts'
import { type CoreRegistry, registries, repo } from '../support/registry.ts'
import { everything } from '../support/rows.ts'
import { signer } from '../support/signer.ts'

describe('core: reindex', () => {
  const open = registries()
  const alice = signer()
  const bob = signer()

  async function filled(): Promise<CoreRegistry> {
    const registry = await open({ keys: alice.pem })
    await fill(registry, alice)
    return registry
  }

  it('makes every row again as it was', async () => {
    const source = await filled()
    const target = await open({ keys: alice.pem })
    const counts = await reindex(source.index, target.index, target.parts)
    expect(await everything(target.index)).to.deep.equal(await everything(source.index))
    expect(counts).to.include({ repositories: 7, tags: 6 })
  })

  it('keeps what a key no longer vouches for, and does not list it', async () => {
    const source = await filled()
    const target = await open({ keys: bob.pem })
    await reindex(source.index, target.index, target.parts)
    expect(await target.names()).to.deep.equal([])
    expect((await target.manifest('coredump', 'latest')).digest).to.equal(
      (await source.manifest('coredump', 'latest')).digest,
    )
  })

  it('lists again what a key vouches for anew', async () => {
    const source = await filled()
    const without = await open({ keys: bob.pem })
    await reindex(source.index, without.index, without.parts)
    const target = await open({ keys: alice.pem })
    await reindex(without.index, target.index, target.parts)
    expect(await everything(target.index)).to.deep.equal(await everything(source.index))
  })

  it('keeps older indexes that the registry composed, which what users have made of them needs', async () => {
    const source = await filled()
    const { digest } = await source.manifest('coredump', 'abi1')
    const { bytes, mediaType } = await source.manifests.get(repo('coredump'), digest)
    const old = { mediaType, digest, size: bytes.length }
    const document = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [old] }
    const made = await source.pushManifest('coredump', 'mine', document)
    const { bytes: newer } = plugin('libmemflow_coredump-0.2.0.arm64.so')
    await source.publish(newer, alice.sign(newer))
    expect((await source.manifest('coredump', 'abi1')).digest).not.to.equal(digest)
    const target = await open({ keys: alice.pem })
    await reindex(source.index, target.index, target.parts)
    expect((await target.manifest('coredump', 'mine')).digest).to.equal(made.digest)
    expect((await target.manifest('coredump', digest)).digest).to.equal(digest)
    const composed = async (registry: CoreRegistry) => Object.keys(await registry.rows(COMPOSED as never))
    expect(await composed(target)).to.deep.equal(await composed(source))
  })

  it('tells what it leaves out: manifests that have lost their bytes, and their tags', async () => {
    const source = await filled()
    const { digest } = await source.manifest('app', 'v1')
    await source.index.apply([del(MANIFEST_BYTES, ['app', digest])])
    const target = await open({ keys: alice.pem })
    const leftOut: LeftOut[] = []
    const onLeftOut = (one: LeftOut) => leftOut.push(one)
    await reindex(source.index, target.index, target.parts, { onLeftOut })
    expect(leftOut).to.deep.equal([
      { what: 'manifest', repository: 'app', reference: digest, why: 'its bytes are gone' },
      { what: 'tag', repository: 'app', reference: 'v1', why: `it points at ${digest}, which is not there` },
    ])
    expect(await target.tags('app')).to.deep.equal(['all'])
    // What only that manifest needs may be looked for.
    expect(await refusal(target.collector.collect())).to.equal('INDEX_INCOMPLETE')
  })

  it('takes a manifest that has lost its row from its bytes', async () => {
    const source = await filled()
    const { digest } = await source.manifest('app', 'v1')
    await source.index.apply([del(MANIFESTS, ['app', digest])])
    const target = await open({ keys: alice.pem })
    await reindex(source.index, target.index, target.parts)
    expect((await target.manifest('app', 'v1')).digest).to.equal(digest)
  })
})

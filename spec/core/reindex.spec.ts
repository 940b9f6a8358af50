import { expect } from 'chai'
import { reindex } from '../../src/core/reindex.ts'
import type { Table } from '../../src/index/contract.ts'
import * as tables from '../../src/index/tables.ts'
import { OCI_INDEX } from '../../src/oci/media-types.ts'
import { plugin } from '../support/plugins.ts'
import { type CoreRegistry, registries } from '../support/registry.ts'
import { signer } from '../support/signer.ts'

const TABLES = Object.entries(tables as Record<string, unknown>)
  .map(([name, table]) => [name, table as Table<readonly string[], unknown>] as const)
  .filter(([name, table]) => 'prefix' in table && name !== 'COMPLETE')

/** All rows of all tables, but for older composed indexes, which only clients in the middle of a pull still need. */
async function everything(registry: CoreRegistry): Promise<Record<string, unknown>> {
  const tagged = new Set(
    (await registry.index.page(tables.TAGGED, [])).map(({ key }) => key.slice(0, 2).join(' ')),
  )
  const composed = await registry.rows(tables.COMPOSED as Table<readonly string[], unknown>)
  const old = new Set(Object.keys(composed).filter(key => !tagged.has(key)))
  const all: Record<string, unknown> = {}
  for (const [name, table] of TABLES) {
    for (const [key, row] of Object.entries(await registry.rows(table))) {
      if (!old.has(key)) all[`${name} ${key}`] = row instanceof Uint8Array ? Buffer.from(row).toString() : row
    }
  }
  return all
}

describe('core: reindex', () => {
  const open = registries()
  const alice = signer()
  const bob = signer()

  /** A bit of everything: uploads, pushes of every kind, signatures before and behind, tags, deletes. */
  async function filled(): Promise<CoreRegistry> {
    const registry = await open({ keys: alice.pem })
    for (const file of [
      'libmemflow_coredump-0.2.0.x86_64.so',
      'libmemflow_coredump-0.2.0.universal.dylib',
      'memflow_coredump-0.2.0.x86_64.dll',
      'libmemflow_pair-0.2.0.x86_64.so',
    ] as const) {
      const { bytes } = plugin(file)
      await registry.publish(bytes, alice.sign(bytes))
    }
    const newer = plugin('libmemflow_coredump-0.2.1.x86_64.so').bytes
    await registry.pushPlugin('coredump', 'latest', newer, { as: 'tar+gzip', signature: alice.sign(newer) })
    const native = plugin('libmemflow_native-0.2.0.x86_64.so').bytes
    const unsigned = await registry.pushPlugin('team/native', 'v1', native)
    await registry.pushSignature('team/native', unsigned, alice.sign(native))
    await registry.pushPlugin('team/unsigned', 'v1', plugin('libmemflow_coredump-0.2.1.arm64.so').bytes)
    const image = await registry.pushImage('app', 'v1', [await registry.pushBlob('app', 'a layer')])
    await registry.pushManifest('app', 'all', { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [image] })
    await registry.pushManifest('app', 'gone', { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] })
    const { digest } = await registry.manifests.get('app' as never, 'gone' as never)
    await registry.manifests.delete('app' as never, digest)
    return registry
  }

  it('makes every row again as it was', async () => {
    const source = await filled()
    const target = await open({ keys: alice.pem })
    const counts = await reindex(source.index, target.index, target.parts)
    expect(await everything(target)).to.deep.equal(await everything(source))
    expect(counts).to.include({ repositories: 6, tags: 5 })
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
    expect(await everything(target)).to.deep.equal(await everything(source))
  })
})

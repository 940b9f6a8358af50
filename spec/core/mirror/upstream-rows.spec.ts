import { createHash } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import { namesChanges, variantsChanges } from '../../../src/core/mirror/upstream-rows.ts'
import { addVariants, findVariants, listNames, type VariantFilter } from '../../../src/core/variants.ts'
import { Batch } from '../../../src/index/batch.ts'
import { FILES, type VariantRow } from '../../../src/index/tables.ts'
import { UPSTREAM_LISTS, UPSTREAM_NAMES, UPSTREAM_VARIANTS } from '../../../src/index/upstream-tables.ts'
import { naiveDateTime } from '../../../src/lib/clock.ts'
import type { PluginDescriptor } from '../../../src/plugin/descriptor.ts'
import type { RemoteVariant } from '../../../src/remote/contract.ts'
import { DESCRIPTOR } from '../../support/plugins.ts'
import { type CoreRegistry, registries } from '../../support/registry.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

function variant(file: string, created: bigint, more: Partial<PluginDescriptor> = {}): RemoteVariant {
  return {
    digest: sha256(file),
    signature: '30',
    created_at: naiveDateTime(created),
    descriptor: { ...DESCRIPTOR, ...more },
  }
}

describe('core/mirror/upstream-rows', () => {
  const open = registries()
  let registry: CoreRegistry

  beforeEach(async () => {
    registry = await open()
  })

  async function list(mirror: string, variants: readonly RemoteVariant[], now = 1n): Promise<number> {
    const changes = await variantsChanges(registry.parts, mirror, 'x', variants, now)
    await registry.index.apply(changes)
    return changes.length
  }

  const keep = async (file: string, created: bigint, ...more: Partial<PluginDescriptor>[]) => {
    const batch = new Batch(registry.index)
    const descriptors = more.map(one => ({ ...DESCRIPTOR, ...one }))
    const row = { digest: sha256(file), signature: '', created_at: naiveDateTime(created), descriptors }
    batch.put(FILES, [row.digest], { ...row, size: 1 })
    await addVariants(batch, row, created)
    await batch.apply()
  }

  it('change what is another than it was, and when it was heard', async () => {
    const [a, b, c] = [variant('a', 1n), variant('b', 2n), variant('c', 3n)]
    expect(await list('up', [a, b])).to.equal(3)
    expect(await list('up', [a, b], 2n)).to.equal(1)
    expect(await list('up', [b, c], 3n)).to.equal(3)
    expect(Object.values(await registry.rows(UPSTREAM_VARIANTS)).map(({ digest }) => digest)).to.deep.equal([
      c.digest,
      b.digest,
    ])
    expect(await registry.rows(UPSTREAM_LISTS)).to.deep.equal({ 'up x': { checked: '3' } })
  })

  it('of a plugin that is gone, go; of one that never was, none come', async () => {
    expect(await list('up', [])).to.equal(0)
    await list('up', [variant('a', 1n)])
    await list('other', [variant('a', 1n)])
    await list('up', [])
    expect(Object.keys(await registry.rows(UPSTREAM_LISTS))).to.deep.equal(['other x'])
    expect(Object.keys(await registry.rows(UPSTREAM_VARIANTS))).to.have.length(1)
  })

  it('of texts that no plugin has, are left out', async () => {
    const odd = ['\u001b[2J', 'a b', '../x', 'a\0b']
    const variants = [
      variant('a', 1n),
      ...odd.map(version => variant(version, 2n, { version })),
      variant('b', 2n, { description: 'fools a terminal \u001b[2J' }),
    ]
    await list('up', variants)
    expect(await findVariants(registry.index, 'x', {}, 0, 9, ['up'])).to.have.length(1)
    const names = ['fine', ...odd, ''].map(name => ({ name, description: name }))
    await registry.index.apply(await namesChanges(registry.parts, 'up', names, 1n))
    expect(Object.keys(await registry.rows(UPSTREAM_NAMES))).to.deep.equal(['up fine'])
  })

  it('of one file with several plugins of that name, keep their order', async () => {
    const kinds = ['os', 'connector'] as const
    await list(
      'up',
      kinds.map(plugin_kind => variant('a', 1n, { plugin_kind })),
    )
    const found = await findVariants(registry.index, 'x', {}, 0, 9, ['up'])
    expect(found.map(({ descriptor }) => descriptor.plugin_kind)).to.deep.equal(kinds)
  })

  it('name plugins beside those that are here, which have their own description', async () => {
    await keep('a', 1n, { name: 'm', description: 'ours' })
    for (const mirror of ['up', 'other']) {
      const names = ['z', 'm', 'a'].map(name => ({ name, description: mirror }))
      await registry.index.apply(await namesChanges(registry.parts, mirror, names, 1n))
    }
    const all = ['up', 'other'].map(name => ({ name, mirrored: (plugin: string) => plugin !== 'z' }))
    expect(await listNames(registry.index, all)).to.deep.equal([
      { name: 'a', description: 'up' },
      { name: 'm', description: 'ours' },
    ])
  })

  it('are listed with what is here as one list in memory would be, whatever is asked', async () => {
    const published = fc.record({
      file: fc.constantFrom(...'abcdef'),
      created: fc.bigInt(1n, 4n),
      plugin_version: fc.integer({ min: -1, max: 1 }),
      file_type: fc.constantFrom('elf', 'pe'),
    })
    const filters: fc.Arbitrary<VariantFilter> = fc.constantFrom(
      {},
      { abi: 1 },
      { fileType: 'elf' },
      { abi: -1, fileType: 'pe' },
      { version: '0.2.0' },
      { version: sha256('a').slice(0, 7) },
      { version: sha256('b').slice(0, 1) },
      { digest: sha256('c').slice(0, 7) },
    )
    const files = fc.uniqueArray(published, { maxLength: 6, selector: ({ file }) => file })
    const question = fc.tuple(filters, fc.nat(4), fc.nat(5))
    type Entry = { row: VariantRow; created: bigint }
    await fc.assert(
      fc.asyncProperty(files, files, files, fc.array(question, { minLength: 5 }), async (...all) => {
        const [here, up, other, questions] = all
        registry = await open()
        const entries = (from: typeof here): Entry[] =>
          from.map(({ file, created, ...more }) => ({
            row: { ...variant(file, created, more as Partial<PluginDescriptor>) },
            created,
          }))
        for (const { file, created, ...more } of here)
          await keep(file, created, more as Partial<PluginDescriptor>)
        for (const [mirror, from] of [
          ['up', up],
          ['other', other],
        ] as const) {
          await list(
            mirror,
            entries(from).map(({ row }) => row),
          )
        }
        const ours = new Set(here.map(({ file }) => sha256(file)))
        const theirs = [...entries(up), ...entries(other)].filter(({ row }) => !ours.has(row.digest))
        const seen = new Set<string>()
        const sorted = [...entries(here), ...theirs]
          .sort(
            (a, b) =>
              b.row.descriptor.plugin_version - a.row.descriptor.plugin_version ||
              Number(b.created - a.created) ||
              (a.row.digest < b.row.digest ? -1 : 1),
          )
          .map(({ row }) => row)
        for (const [{ abi, fileType, version, digest }, skip, limit] of questions) {
          seen.clear()
          const expected = sorted
            .filter(({ descriptor, digest: own }) => {
              if (abi !== undefined && descriptor.plugin_version !== abi) return false
              if (fileType !== undefined && descriptor.file_type !== fileType) return false
              if (version && descriptor.version !== version && !own.startsWith(version)) return false
              return digest === undefined || own.startsWith(digest)
            })
            .filter(({ digest: own }) => !seen.has(own) && seen.add(own))
            .slice(skip, skip + limit)
          const filter = { abi, fileType, version, digest } as VariantFilter
          const found = await findVariants(registry.index, 'x', filter, skip, limit, ['up', 'other'])
          const told = ({ digest: own, created_at }: VariantRow) => `${own} ${created_at}`
          expect(found.map(told)).to.deep.equal(expected.map(told))
        }
      }),
      { numRuns: 40 },
    )
  })

  it('cost as many reads as are asked for, however many there are', async () => {
    const variants = Array.from({ length: 2000 }, (_, i) => variant(`${i}`, BigInt(i + 1)))
    await list('up', variants)
    const { counts } = registry.level
    const before = counts.entries
    expect(await findVariants(registry.index, 'x', {}, 10, 5, ['up'])).to.have.length(5)
    expect(counts.entries - before).to.be.below(200)
  })
})

import { createHash } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import { Level } from 'level'
import {
  addVariants,
  findVariants,
  listNames,
  removeVariants,
  type VariantFilter,
} from '../../src/core/variants.ts'
import { Batch } from '../../src/index/batch.ts'
import { writeLevel } from '../../src/index/level-db.ts'
import { LevelIndex } from '../../src/index/level-index.ts'
import { type FileRow, NAMES, VARIANTS, VARIANTS_BY_DIGEST, type VariantRow } from '../../src/index/tables.ts'
import { naiveDateTime } from '../../src/lib/clock.ts'
import { ARCHITECTURES, type FileType, type PluginDescriptor } from '../../src/plugin/descriptor.ts'
import { type Database, watched } from '../support/level.ts'
import { DESCRIPTOR } from '../support/plugins.ts'
import { tmpDir } from '../support/tmp.ts'

const FILE_TYPES: readonly FileType[] = ['pe', 'elf', 'mach']
/** How many entries a scan reads ahead. */
const AHEAD = 64

interface Published {
  readonly file: FileRow
  readonly created: bigint
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

function published(
  digest: string,
  created: bigint,
  ...descriptors: readonly Partial<PluginDescriptor>[]
): Published {
  const file: FileRow = {
    digest,
    signature: '',
    created_at: naiveDateTime(created),
    descriptors: descriptors.map(more => ({ ...DESCRIPTOR, description: `created ${created}`, ...more })),
  }
  return { file, created }
}

/** What the contract of the REST API says, without an index: sort, filter; then skip and limit are a slice. */
function naive(all: readonly Published[]): (name: string, filter: VariantFilter) => VariantRow[] {
  const sorted = all
    .flatMap(({ file: { descriptors, ...file }, created }) =>
      descriptors.map((descriptor, nth) => ({ row: { ...file, descriptor } as VariantRow, created, nth })),
    )
    .sort(
      (a, b) =>
        b.row.descriptor.plugin_version - a.row.descriptor.plugin_version ||
        (a.created < b.created ? 1 : a.created > b.created ? -1 : 0) ||
        (a.row.digest < b.row.digest ? -1 : a.row.digest > b.row.digest ? 1 : 0) ||
        a.nth - b.nth,
    )
    .map(({ row }) => row)
  return (name, { version, abi, fileType, architecture, digest }) =>
    sorted.filter(({ descriptor, digest: own }) => {
      if (descriptor.name !== name) return false
      if (version && version !== descriptor.version && !own.startsWith(version)) return false
      if (abi !== undefined && abi !== descriptor.plugin_version) return false
      if (fileType !== undefined && fileType !== descriptor.file_type) return false
      if (architecture !== undefined && architecture !== descriptor.architecture) return false
      return digest === undefined || own.startsWith(digest)
    })
}

describe('core/variants', () => {
  const fresh = tmpDir()
  const opened: LevelIndex[] = []

  after(() => Promise.all(opened.map(index => index.close())))

  async function open() {
    const db: Database = new Level(await fresh(), { valueEncoding: 'utf8' })
    await db.open()
    const level = watched(db)
    // Without a sync for each of the thousands of batches.
    const index = new LevelIndex(level.db, {
      write: changes => writeLevel(level.db, changes),
      check: () => {},
      close: () => level.db.close(),
    })
    opened.push(index)
    return { index, counts: level.counts }
  }

  async function change(
    index: LevelIndex,
    all: readonly Published[],
    by: typeof addVariants = addVariants,
  ): Promise<void> {
    // Small ones, because a batch looks through its own changes at every read.
    for (let at = 0; at < all.length; at += 20) {
      const batch = new Batch(index)
      for (const { file, created } of all.slice(at, at + 20)) await by(batch, file, created)
      await batch.apply()
    }
  }

  it('are in the order of the answer: ABI, then age, newest first', async () => {
    const { index } = await open()
    const all = [
      published(sha256('1'), 10n, { plugin_version: 1, version: 'oldest' }),
      published(sha256('2'), 30n, { plugin_version: 1, version: 'newest' }),
      published(sha256('3'), 20n, { plugin_version: 1, version: 'middle' }),
      published(sha256('4'), 5n, { plugin_version: 2, version: 'higher' }),
      published(sha256('5'), 99n, { plugin_version: -5, version: 'beta' }),
      published(sha256('6'), 1n, { plugin_version: 2 ** 31 - 1, version: 'highest' }),
      published(sha256('7'), 100n, { plugin_version: -(2 ** 31), version: 'lowest' }),
    ]
    await change(index, all)
    const versions = (await findVariants(index, 'x', {}, 0, 50)).map(({ descriptor }) => descriptor.version)
    expect(versions).to.deep.equal(['highest', 'higher', 'newest', 'middle', 'oldest', 'beta', 'lowest'])
  })

  it('are told whole: digest, signature, time and descriptor, in this order', async () => {
    const { index } = await open()
    const one = published(sha256('1'), 1_711_131_293_402_258_600n, {})
    await change(index, [one])
    const [row] = await findVariants(index, 'x', {}, 0, 1)
    expect(row).to.deep.equal(naive([one])('x', {})[0])
    expect(Object.keys(row ?? {})).to.deep.equal(['digest', 'signature', 'created_at', 'descriptor'])
    expect(Object.keys(row?.descriptor ?? {})).to.deep.equal(Object.keys(one.file.descriptors[0] ?? {}))
  })

  it('of one file are each told, also under one name', async () => {
    const { index } = await open()
    const both = published(
      sha256('1'),
      1n,
      { plugin_kind: 'os' },
      { plugin_kind: 'connector' },
      { name: 'y' },
    )
    await change(index, [both])
    const kinds = (await findVariants(index, 'x', {}, 0, 9)).map(({ descriptor }) => descriptor.plugin_kind)
    expect(kinds).to.deep.equal(['os', 'connector'])
    expect(await findVariants(index, 'y', {}, 0, 9)).to.have.length(1)
    expect(await findVariants(index, 'x', { digest: both.file.digest }, 0, 9)).to.have.length(2)
    expect(await findVariants(index, 'x', { version: both.file.digest }, 1, 9)).to.have.length(1)
  })

  it('of an unknown name are none', async () => {
    const { index } = await open()
    await change(index, [published(sha256('1'), 1n, { name: 'coredump' })])
    for (const name of [
      '',
      'core',
      'coredump2',
      'Coredump',
      'coredump\0',
      '\0',
      'coredump\x01',
      '__proto__',
    ]) {
      expect(await findVariants(index, name, {}, 0, 9), JSON.stringify(name)).to.deep.equal([])
    }
  })

  it('of a machine that memflow has no name for are listed, and found by no filter for one', async () => {
    const { index } = await open()
    await change(index, [published(sha256('1'), 1n, { architecture: { unknown: 243 } })])
    expect(await findVariants(index, 'x', {}, 0, 9)).to.have.length(1)
    expect(await findVariants(index, 'x', { fileType: 'elf' }, 0, 9)).to.have.length(1)
    for (const architecture of [...ARCHITECTURES, 'unknown']) {
      expect(await findVariants(index, 'x', { architecture }, 0, 9)).to.have.length(0)
    }
  })

  it('name the plugin with the description of the newest, until the last is gone', async () => {
    const { index } = await open()
    const old = published(sha256('1'), 1n, { description: 'old' })
    const recent = published(sha256('2'), 2n, { description: 'recent' })
    const other = published(sha256('3'), 3n, { name: '内存', description: 'other' })
    await change(index, [recent, other, old])
    expect(await listNames(index)).to.deep.equal([
      { name: 'x', description: 'recent' },
      { name: '内存', description: 'other' },
    ])
    await change(index, [recent], removeVariants)
    expect((await listNames(index))[0]).to.deep.equal({ name: 'x', description: 'old' })
    await change(index, [old], removeVariants)
    expect((await listNames(index)).map(({ name }) => name)).to.deep.equal(['内存'])
  })

  describe('for random filters', () => {
    const nameArb = fc.constantFrom('x', 'y', 'x y')
    const versionArb = fc.constantFrom('0.2.0', '0.2.1', '0.2.0+build.7', 'abc', 'a', '1', 'beef', '')
    const digestArb = fc
      .tuple(fc.constantFrom('abc', 'a1', '1', 'beef', ''), fc.nat(1000))
      .map(([start, n]) => `${start}${sha256(`${n}`)}`.slice(0, 64))
    const descriptorArb: fc.Arbitrary<Partial<PluginDescriptor>> = fc.record({
      name: nameArb,
      version: versionArb,
      plugin_version: fc.constantFrom(-5, 1, 2),
      file_type: fc.constantFrom(...FILE_TYPES),
      architecture: fc.oneof(fc.constantFrom(...ARCHITECTURES), fc.constant({ unknown: 243 })),
    })
    const publishedArb = fc
      .tuple(
        digestArb,
        fc.bigInt({ min: 0n, max: 20n }),
        fc.array(descriptorArb, { minLength: 1, maxLength: 3 }),
      )
      .map(([digest, created, descriptors]) => published(digest, created, ...descriptors))
    const allArb = fc.uniqueArray(publishedArb, { maxLength: 25, selector: one => one.file.digest })
    const anyPrefix = fc
      .tuple(digestArb, fc.constantFrom(0, 1, 2, 3, 4, 7, 64))
      .map(([digest, n]) => digest.slice(0, n))
    const filterArb = fc.record(
      {
        version: fc.oneof(versionArb, anyPrefix),
        abi: fc.constantFrom(-5, 1, 2, 3),
        fileType: fc.constantFrom(...FILE_TYPES),
        architecture: fc.constantFrom(...ARCHITECTURES),
        digest: anyPrefix,
      },
      { requiredKeys: [] },
    ) as fc.Arbitrary<VariantFilter>
    const queryArb = fc.tuple(nameArb, filterArb, fc.nat(6), fc.nat(8))
    let index: LevelIndex

    before(async () => {
      index = (await open()).index
    })

    it('are what a list in memory gives, from an index or a batch', async () => {
      await fc.assert(
        fc.asyncProperty(
          allArb,
          fc.array(queryArb, { minLength: 10, maxLength: 25 }),
          async (all, queries) => {
            const batch = new Batch(index)
            for (const { file, created } of all) await addVariants(batch, file, created)
            const expected = naive(all)
            for (const reader of [batch, index]) {
              if (reader === index) await batch.apply()
              for (const [name, filter, skip, limit] of queries) {
                const rows = await findVariants(reader, name, filter, skip, limit)
                expect(rows).to.deep.equal(expected(name, filter).slice(skip, skip + limit))
              }
            }
            await change(index, all, removeVariants)
          },
        ),
        { numRuns: 40 },
      )
    })

    it('leave no row when they go, and the rows of the others as if they had never been', async () => {
      const rows = async (of: LevelIndex) => [
        await of.page(VARIANTS, []),
        await of.page(VARIANTS_BY_DIGEST, []),
        await of.page(NAMES, []),
      ]
      const { index: other } = await open()
      await fc.assert(
        fc.asyncProperty(allArb, fc.infiniteStream(fc.boolean()), async (all, stays) => {
          const kept = all.filter(() => stays.next().value)
          await change(index, all)
          await change(index, all.filter(one => !kept.includes(one)).reverse(), removeVariants)
          await change(other, [...kept].reverse())
          expect(await rows(index)).to.deep.equal(await rows(other))
          await change(index, kept, removeVariants)
          await change(other, kept, removeVariants)
          expect(await rows(index)).to.deep.equal([[], [], []])
        }),
        { numRuns: 30 },
      )
    })
  })

  describe('are found at the same cost', () => {
    const VERSIONS = Array.from({ length: 40 }, (_, i) => `0.${i}.0`)

    const many = (count: number) =>
      Array.from({ length: count }, (_, i) =>
        published(sha256(`${i}`), BigInt(i) * 1_000_000n, {
          plugin_version: (i % 3) - 1,
          file_type: FILE_TYPES[(i % 7) % 3] as FileType,
          architecture: ARCHITECTURES[i % 4] as 'x86',
          version: VERSIONS[i % 40] as string,
        }),
      )

    /** Every combination of these filters, and of how a digest can begin. */
    const some = sha256('137')
    const choices: VariantFilter[][] = [
      [{}, { version: '0.17.0' }, { version: 'none' }, { version: some.slice(0, 7) }, { version: some }],
      [{}, { abi: 1 }, { abi: 77 }],
      [{}, { fileType: 'elf' }],
      [{}, { architecture: 'arm' }],
      [{}, { digest: some.slice(0, 7) }, { digest: some }],
    ]
    const combinations = choices.reduce<VariantFilter[]>(
      (found, choice) => found.flatMap(filter => choice.map(more => ({ ...filter, ...more }))),
      [{}],
    )

    // With 8,000, the 200 of a version are more than any bound below: who went through them would be seen.
    for (const count of [200, 8000]) {
      describe(`among ${count}`, () => {
        let index: LevelIndex
        let counts: { entries: number }
        let expected: ReturnType<typeof naive>

        before(async () => {
          const all = many(count)
          expected = naive(all)
          ;({ index, counts } = await open())
          await change(index, all)
        })

        it(`by all ${combinations.length} combinations of filters`, async () => {
          for (const filter of combinations) {
            const matching = expected('x', filter)
            for (const [skip, limit] of [
              [0, 1],
              [0, 5],
              [0, 50],
              [10, 50],
              [0, 0],
            ] as const) {
              counts.entries = 0
              const rows = await findVariants(index, 'x', filter, skip, limit)
              const what = `${JSON.stringify(filter)} skip ${skip} limit ${limit}`
              expect(counts.entries, what).to.be.at.most(skip + limit + AHEAD)
              expect(rows, what).to.deep.equal(matching.slice(skip, skip + limit))
            }
          }
        })

        it('by one or two digits with a factor that does not grow', async () => {
          for (const digits of [1, 2]) {
            for (const filter of [{ digest: some.slice(0, digits) }, { version: some.slice(0, digits) }]) {
              counts.entries = 0
              const rows = await findVariants(index, 'x', filter, 0, 5)
              expect(rows).to.deep.equal(expected('x', filter).slice(0, 5))
              // On the average 16 or 256 are passed over for each one found; a multiple of that for bad luck.
              expect(counts.entries).to.be.at.most(Math.min(count, 5 * 16 ** digits * 4 + AHEAD))
            }
          }
        })

        it('by a version and a digit among those of the version', async () => {
          counts.entries = 0
          const filter = { version: '0.17.0', digest: some.slice(0, 2) }
          await findVariants(index, 'x', filter, 0, 50)
          expect(counts.entries).to.be.at.most(count / 40 + AHEAD)
        })

        it('without a read of a name that is not there', async () => {
          counts.entries = 0
          await findVariants(index, 'nobody', {}, 0, 50)
          expect(counts.entries).to.equal(0)
        })

        it('when the last page is skipped to', async () => {
          counts.entries = 0
          const rows = await findVariants(index, 'x', {}, count - 3, 50)
          expect(rows).to.deep.equal(expected('x', {}).slice(-3))
          expect(counts.entries).to.be.at.most(count + AHEAD)
        })
      })
    }
  })
})

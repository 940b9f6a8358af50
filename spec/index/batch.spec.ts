import { expect } from 'chai'
import fc from 'fast-check'
import { Batch } from '../../src/index/batch.ts'
import type { Page, Scan } from '../../src/index/contract.ts'
import { LevelIndex } from '../../src/index/level-index.ts'
import { all, BYTES, NEXT, PAIRS } from '../contracts/index.ts'
import { tmpDir } from '../support/tmp.ts'

describe('index/batch', () => {
  const fresh = tmpDir()
  let index: LevelIndex

  before(async () => {
    index = await LevelIndex.open(await fresh())
  })

  after(() => index.close())

  beforeEach(() => empty())

  async function empty(): Promise<void> {
    const batch = new Batch(index)
    for (const { key } of await index.page(PAIRS, [])) batch.del(PAIRS, key)
    for (const { key } of await index.page(NEXT, [])) batch.del(NEXT, key)
    await batch.apply()
  }

  it('shows its changes to itself, and to others when it is applied', async () => {
    const batch = new Batch(index)
    batch.put(NEXT, ['a'], 1)
    expect(await batch.get(NEXT, 'a')).to.equal(1)
    expect(await index.get(NEXT, 'a')).to.equal(undefined)
    await batch.apply()
    expect(await index.get(NEXT, 'a')).to.equal(1)
  })

  it('hides what it removes', async () => {
    const first = new Batch(index)
    first.put(NEXT, ['a'], 1)
    await first.apply()
    const batch = new Batch(index)
    batch.del(NEXT, ['a'])
    expect(await batch.get(NEXT, 'a')).to.equal(undefined)
    expect(await batch.page(NEXT, [])).to.deep.equal([])
    expect(await index.get(NEXT, 'a')).to.equal(1)
    await batch.apply()
    expect(await index.get(NEXT, 'a')).to.equal(undefined)
  })

  it('shows a row that is null, and not one that is removed', async () => {
    const batch = new Batch(index)
    batch.put(PAIRS, ['a', 'b'], null)
    expect(await batch.get(PAIRS, 'a', 'b')).to.equal(null)
    expect(await batch.page(PAIRS, ['a'])).to.deep.equal([{ key: ['a', 'b'], row: null }])
  })

  it('lets the last change of a row count', async () => {
    const batch = new Batch(index)
    batch.put(NEXT, ['a'], 1)
    batch.del(NEXT, ['a'])
    batch.put(NEXT, ['b'], 1)
    batch.put(NEXT, ['b'], 2)
    expect(await batch.page(NEXT, [])).to.deep.equal([{ key: ['b'], row: 2 }])
    await batch.apply()
    expect(await index.page(NEXT, [])).to.deep.equal([{ key: ['b'], row: 2 }])
  })

  it('keeps tables apart', async () => {
    const batch = new Batch(index)
    batch.put(NEXT, ['a'], 1)
    batch.put(BYTES, ['a'], Buffer.from('x'))
    batch.put(PAIRS, ['a', 'b'], 1)
    expect(await batch.page(NEXT, [])).to.deep.equal([{ key: ['a'], row: 1 }])
    expect(await batch.page(PAIRS, ['a'])).to.deep.equal([{ key: ['a', 'b'], row: 1 }])
  })

  it('may be changed while it is scanned', async () => {
    const first = new Batch(index)
    for (const name of ['a', 'b', 'c']) first.put(NEXT, [name], 1)
    await first.apply()
    const batch = new Batch(index)
    for await (const { key } of batch.scan(NEXT, [])) batch.del(NEXT, key)
    expect(await batch.page(NEXT, [])).to.deep.equal([])
  })

  it('reads few rows for a small page, however many it removes', async () => {
    const names = Array.from({ length: 300 }, (_, i) => `${1000 + i}`)
    const first = new Batch(index)
    for (const name of names) first.put(NEXT, [name], 1)
    await first.apply()
    const batch = new Batch(index)
    for (const name of names.slice(10)) batch.del(NEXT, [name])
    const asked: (number | undefined)[] = []
    const { latest } = index
    const page = latest.page
    latest.page = ((table: never, parts: never, options: Page) => {
      asked.push(options.limit)
      return page.call(latest, table, parts, options)
    }) as typeof page
    try {
      expect(await batch.page(NEXT, [], { limit: 2 })).to.have.length(2)
      expect(asked).to.deep.equal([18])
      for (const name of names.slice(0, 10)) batch.del(NEXT, [name])
      expect(await batch.page(NEXT, [], { limit: 2 })).to.deep.equal([])
    } finally {
      latest.page = page
    }
  })

  it('gives way to others while it reads much', async () => {
    const batch = new Batch(index)
    let turns = 0
    let reading = true
    const count = () => {
      turns++
      if (reading) setImmediate(count)
    }
    setImmediate(count)
    const used = process.cpuUsage()
    // More than one slice of work, on any machine.
    while (process.cpuUsage(used).user < 50_000) await batch.get(NEXT, 'a')
    reading = false
    expect(turns).to.be.above(1)
  })

  it('has nothing to apply where nothing changed', () => new Batch(index).apply())

  it('answers every read as the index does when it is applied', async () => {
    const part = fc.string({ unit: fc.constantFrom('a', 'b', ' ', 'é', '\uff5e', '😀'), maxLength: 2 })
    const change = fc.record({ key: fc.tuple(part, part), row: fc.option(fc.nat(9), { nil: undefined }) })
    const changes = fc.array(change, { maxLength: 12 })
    const scan = fc.record({ after: part, partial: part }, { requiredKeys: [] }) as fc.Arbitrary<Scan>
    const read = fc.record({
      parts: fc.oneof(
        fc.constant([]),
        part.map(one => [one]),
      ),
      scan,
      limit: fc.option(fc.nat(5), { nil: undefined }),
      key: fc.tuple(part, part),
    })
    await fc.assert(
      fc.asyncProperty(
        changes,
        changes,
        fc.array(read, { minLength: 1, maxLength: 4 }),
        async (old, recent, reads) => {
          await empty()
          const made = async (list: typeof old) => {
            const batch = new Batch(index)
            for (const { key, row } of list) {
              if (row === undefined) batch.del(PAIRS, key)
              else batch.put(PAIRS, key, row)
            }
            return batch
          }
          await (await made(old)).apply()
          const batch = await made(recent)
          const answers = async (reader: Batch | LevelIndex) =>
            Promise.all(
              reads.map(async ({ parts, scan: options, limit, key }) => [
                await reader.get(PAIRS, ...key),
                await reader.getMany(PAIRS, [key, ['a', 'b'], ['', 'a']]),
                await reader.page(PAIRS, parts, {
                  ...options,
                  ...(limit !== undefined && { limit }),
                } as Page),
                await all(reader.scan(PAIRS, parts, options)),
              ]),
            )
          const expected = await answers(batch)
          await batch.apply()
          expect(expected).to.deep.equal(await answers(index))
        },
      ),
      { numRuns: 150 },
    )
  })
})

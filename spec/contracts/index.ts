import { setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import { del, type Entry, type Index, type Page, put, type Table } from '../../src/index/contract.ts'
import { refusal } from '../support/refusal.ts'

export interface IndexFixture {
  readonly index: Index
  /** Closes it and opens it again: what is there after a restart of the process. */
  reopen(): Promise<Index>
}

export const PAIRS: Table<[first: string, second: string], unknown> = { prefix: 'pair', encoding: 'json' }
export const NEXT: Table<[name: string], number> = { prefix: 'pair-2', encoding: 'json' }
export const BYTES: Table<[name: string], Uint8Array> = { prefix: 'raw', encoding: 'bytes' }

/** What every index keeps to; the factory gives an empty one for each test. */
export function indexContract(name: string, fixture: () => Promise<IndexFixture>): void {
  describe(`${name} as an index`, () => {
    let index: Index
    let reopen: IndexFixture['reopen']

    beforeEach(async () => {
      const made = await fixture()
      index = made.index
      reopen = async () => {
        index = await made.reopen()
        return index
      }
    })

    afterEach(() => index.close())

    const fill = (...keys: [string, string][]) => index.apply(keys.map((key, i) => put(PAIRS, key, i)))
    const seconds = async (parts: readonly string[], page?: Page) =>
      (await index.page(PAIRS, parts, page)).map(({ key }) => key[1])

    describe('rows', () => {
      it('are absent until they are put', async () => {
        expect(await index.get(PAIRS, 'a', 'b')).to.equal(undefined)
        expect(await index.page(PAIRS, [])).to.deep.equal([])
        expect(await all(index.scan(PAIRS, ['a']))).to.deep.equal([])
      })

      it('come back as they were put', async () => {
        const rows = [{ deep: [1, null, { x: 'ä😀\0\u2028' }] }, [], '', 0, false, null, 'x'.repeat(100_000)]
        await index.apply(rows.map((row, i) => put(PAIRS, ['row', `${i}`], row)))
        for (const [i, row] of rows.entries()) {
          expect(await index.get(PAIRS, 'row', `${i}`)).to.deep.equal(row)
        }
        expect((await index.page(PAIRS, ['row'])).map(({ row }) => row)).to.deep.equal(rows)
      })

      it('may be bytes, any', async () => {
        const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
        await index.apply([put(BYTES, ['a'], bytes), put(BYTES, ['b'], new Uint8Array())])
        expect(Buffer.from((await index.get(BYTES, 'a')) ?? [])).to.deep.equal(Buffer.from(bytes))
        expect((await index.get(BYTES, 'b'))?.length).to.equal(0)
        expect((await index.page(BYTES, [])).map(({ key }) => key)).to.deep.equal([['a'], ['b']])
        for await (const { key, row } of index.scan(BYTES, [])) {
          expect(row.length).to.equal(key[0] === 'a' ? 256 : 0)
        }
      })

      it('take the place of older ones', async () => {
        await index.apply([put(NEXT, ['a'], 1)])
        await index.apply([put(NEXT, ['a'], 2)])
        expect(await index.page(NEXT, [])).to.deep.equal([{ key: ['a'], row: 2 }])
      })

      it('go, also those that are not there', async () => {
        await index.apply([put(NEXT, ['a'], 1), put(NEXT, ['b'], 2)])
        await index.apply([del(NEXT, ['a']), del(NEXT, ['c'])])
        expect(await index.get(NEXT, 'a')).to.equal(undefined)
        expect(await index.page(NEXT, [])).to.deep.equal([{ key: ['b'], row: 2 }])
      })

      it('of one table are not in another', async () => {
        await index.apply([put(NEXT, ['a'], 1), put(PAIRS, ['a', 'b'], 2)])
        expect(await index.page(NEXT, [])).to.deep.equal([{ key: ['a'], row: 1 }])
        expect(await index.page(PAIRS, [])).to.deep.equal([{ key: ['a', 'b'], row: 2 }])
      })

      it('survive a restart', async () => {
        await index.apply([put(NEXT, ['ä'], 1), put(BYTES, ['a'], Buffer.from('x'))])
        await reopen()
        expect(await index.get(NEXT, 'ä')).to.equal(1)
        expect(Buffer.from((await index.get(BYTES, 'a')) ?? []).toString()).to.equal('x')
      })
    })

    describe('many rows', () => {
      it('come in the order of their keys, and undefined for each that does not exist', async () => {
        const keys = Array.from({ length: 600 }, (_, i): [string] => [`${i}`])
        await index.apply(keys.filter((_, i) => i % 3 > 0).map((key, i) => put(NEXT, key, i)))
        for (const count of [0, 1, 5, 600]) {
          const asked = keys.slice(0, count).reverse()
          const expected = await Promise.all(asked.map(key => index.get(NEXT, ...key)))
          expect(await index.getMany(NEXT, asked)).to.deep.equal(expected)
        }
        const twice: [string][] = [['1'], ['0'], ['1']]
        expect(await index.getMany(NEXT, twice)).to.deep.equal([0, undefined, 0])
      })

      it('may be bytes', async () => {
        await index.apply([put(BYTES, ['a'], Buffer.from('x'))])
        const [a, b] = await index.getMany(BYTES, [['a'], ['b']])
        expect(Buffer.from(a ?? []).toString()).to.equal('x')
        expect(b).to.equal(undefined)
      })

      it('are those of its moment in a snapshot', async () => {
        const keys = Array.from({ length: 40 }, (_, i): [string] => [`${i}`])
        await index.apply(keys.map(key => put(NEXT, key, 1)))
        const snapshot = index.snapshot()
        await index.apply(keys.map(key => put(NEXT, key, 2)))
        expect(await snapshot.getMany(NEXT, keys)).to.deep.equal(keys.map(() => 1))
        await snapshot.close()
      })
    })

    describe('order', () => {
      it('is that of the bytes in UTF-8', async () => {
        const parts = [
          '',
          ' ',
          '-',
          '.',
          '0',
          'A',
          'Z',
          '_',
          'a',
          'ab',
          'b',
          '\x7f',
          'é',
          'ÿ',
          '内',
          '\uff5e',
          '😀',
        ]
        await fill(...[...parts].reverse().map((part): [string, string] => ['x', part]))
        expect(await seconds(['x'])).to.deep.equal(parts)
        expect((await all(index.scan(PAIRS, ['x']))).map(({ key }) => key[1])).to.deep.equal(parts)
      })

      it('goes part by part', async () => {
        await fill(['ab', 'a'], ['a.b', 'a'], ['a', 'z'], ['a', ''])
        expect((await index.page(PAIRS, [])).map(({ key }) => key)).to.deep.equal([
          ['a', ''],
          ['a', 'z'],
          ['a.b', 'a'],
          ['ab', 'a'],
        ])
      })
    })

    describe('a page', () => {
      beforeEach(() =>
        fill(['a', '1'], ['a', '10'], ['a', '2'], ['a', '20'], ['a', '3'], ['aa', '1'], ['b', '1']),
      )

      for (const [what, page, expected] of [
        ['everything below the parts', {}, ['1', '10', '2', '20', '3']],
        ['as many as asked', { limit: 2 }, ['1', '10']],
        ['none where none is asked', { limit: 0 }, []],
        ['no more than there are', { limit: 100 }, ['1', '10', '2', '20', '3']],
        ['what is behind a part', { after: '10' }, ['2', '20', '3']],
        ['what is behind a part that is not there', { after: '15' }, ['2', '20', '3']],
        ['all where `after` is before all', { after: '' }, ['1', '10', '2', '20', '3']],
        ['nothing behind the last', { after: '3' }, []],
        ['nothing behind what is behind all', { after: 'zzz' }, []],
        ['what begins alike', { partial: '2' }, ['2', '20']],
        ['nothing where nothing begins so', { partial: '4' }, []],
        ['what begins alike, behind a part', { partial: '2', after: '2' }, ['20']],
        ['what begins alike, behind an earlier part', { partial: '2', after: '1' }, ['2', '20']],
        ['nothing of what begins alike behind a later part', { partial: '1', after: '2' }, []],
        ['some of what begins alike', { partial: '2', limit: 1 }, ['2']],
        ['some of what is behind a part', { after: '1', limit: 2 }, ['10', '2']],
      ] as [string, Page, string[]][]) {
        it(`has ${what}`, async () => {
          expect(await seconds(['a'], page)).to.deep.equal(expected)
          const { limit = Number.POSITIVE_INFINITY, ...scan } = page
          const scanned = (await all(index.scan(PAIRS, ['a'], scan))).map(({ key }) => key[1])
          expect(scanned.slice(0, limit)).to.deep.equal(expected)
        })
      }

      it('of a whole key has what is below it, and not the row itself', async () => {
        expect(await index.page(PAIRS, ['a', '1'])).to.deep.equal([])
      })

      it('after page gives every row once', async () => {
        const seen: string[] = []
        let after: string | undefined
        while (true) {
          const page = await seconds(['a'], { limit: 2, after })
          if (page.length === 0) break
          seen.push(...page)
          after = page.at(-1)
        }
        expect(seen).to.deep.equal(['1', '10', '2', '20', '3'])
      })
    })

    describe('a scan', () => {
      beforeEach(() => index.apply(Array.from({ length: 500 }, (_, i) => put(NEXT, [`${1000 + i}`], i))))

      it('goes through all, in order', async () => {
        const rows = (await all(index.scan(NEXT, []))).map(({ row }) => row)
        expect(rows).to.deep.equal(Array.from({ length: 500 }, (_, i) => i))
      })

      it('may be left early, and the index closed then', async () => {
        for (let i = 0; i < 20; i++) {
          const seen = []
          for await (const { row } of index.scan(NEXT, [])) if (seen.push(row) === 3) break
          expect(seen).to.deep.equal([0, 1, 2])
        }
        await reopen()
      })

      it('may be left by an error', async () => {
        const failing = (async () => {
          for await (const _ of index.scan(NEXT, [])) throw new Error('enough')
        })()
        expect(await refusal(failing)).to.equal('enough')
        await reopen()
      })

      it('sees no change that is made while it runs', async () => {
        const seen: number[] = []
        for await (const { row } of index.scan(NEXT, [])) {
          if (seen.push(row) === 1) {
            await index.apply([put(NEXT, ['1250x'], -1), del(NEXT, ['1499']), put(NEXT, ['1300'], -2)])
          }
        }
        expect(seen).to.deep.equal(Array.from({ length: 500 }, (_, i) => i))
      })
    })

    describe('a snapshot', () => {
      it('has the rows of its moment, however they are asked for', async () => {
        await index.apply([put(NEXT, ['a'], 1), put(NEXT, ['b'], 2), put(BYTES, ['a'], Buffer.from('x'))])
        const snapshot = index.snapshot()
        await index.apply([put(NEXT, ['a'], 9), del(NEXT, ['b']), put(NEXT, ['c'], 3), del(BYTES, ['a'])])
        expect(await snapshot.get(NEXT, 'a')).to.equal(1)
        expect(await snapshot.get(NEXT, 'c')).to.equal(undefined)
        expect(Buffer.from((await snapshot.get(BYTES, 'a')) ?? []).toString()).to.equal('x')
        const rows = [
          { key: ['a'], row: 1 },
          { key: ['b'], row: 2 },
        ]
        expect(await snapshot.page(NEXT, [])).to.deep.equal(rows)
        expect(await all(snapshot.scan(NEXT, []))).to.deep.equal(rows)
        expect(await index.get(NEXT, 'a')).to.equal(9)
        await snapshot.close()
      })

      it('may be left open by who closes the index', async () => {
        index.snapshot()
        await reopen()
      })
    })

    describe('apply', () => {
      it('does nothing for nothing', () => index.apply([]))

      it('shows all of a batch, or nothing', async () => {
        const keys = Array.from({ length: 200 }, (_, i) => `${1000 + i}`)
        for (let round = 0; round < 5; round++) {
          const applied = index.apply(keys.map(key => put(NEXT, [key], round)))
          const rows = async () => new Set((await index.page(NEXT, [])).map(({ row }) => row))
          while (true) {
            const seen = await rows()
            expect(seen.size).to.be.at.most(1)
            if (seen.has(round)) break
          }
          await applied
        }
      })

      it('lets the last of several changes of a row count', async () => {
        await index.apply([put(NEXT, ['a'], 1), put(NEXT, ['a'], 2), put(NEXT, ['b'], 1), del(NEXT, ['b'])])
        expect(await index.page(NEXT, [])).to.deep.equal([{ key: ['a'], row: 2 }])
      })

      it('of many at once loses nothing', async () => {
        await Promise.all(Array.from({ length: 200 }, (_, i) => index.apply([put(NEXT, [`${i}`], i)])))
        expect(await index.page(NEXT, [])).to.have.length(200)
      })

      it('keeps the order in which it was called', async () => {
        await Promise.all(Array.from({ length: 100 }, (_, i) => index.apply([put(NEXT, ['a'], i)])))
        expect(await index.get(NEXT, 'a')).to.equal(99)
      })
    })

    describe('exclusive', () => {
      it('keeps a read and the write that follows together', async () => {
        const add = () =>
          index.exclusive(['counter'], async () => {
            const count = (await index.get(NEXT, 'a')) ?? 0
            await turn()
            await index.apply([put(NEXT, ['a'], count + 1)])
          })
        await Promise.all(Array.from({ length: 20 }, add))
        expect(await index.get(NEXT, 'a')).to.equal(20)
      })

      it('answers, and fails, as the work does', async () => {
        expect(await index.exclusive(['a', 'b'], async () => 42)).to.equal(42)
        const broken = index.exclusive(['a'], async () => Promise.reject(new Error('broken')))
        expect(await refusal(broken)).to.equal('broken')
        expect(await index.exclusive(['a'], async () => 'next')).to.equal('next')
      })

      it('does not hold up others', async () => {
        let release = () => {}
        const held = index.exclusive(['a'], () => new Promise<void>(resolve => (release = resolve)))
        expect(await index.exclusive(['b'], async () => 'b')).to.equal('b')
        release()
        await held
      })
    })

    describe('shared and attempt', () => {
      it('let in all who share, and none beside who is alone', async () => {
        const inside: string[] = []
        const seen: number[] = []
        const work = (name: string) => async () => {
          inside.push(name)
          await turn()
          seen.push(inside.length)
          await turn()
          inside.splice(inside.indexOf(name), 1)
        }
        await Promise.all([
          index.shared(['a'], work('1')),
          index.shared(['a'], work('2')),
          index.exclusive(['a'], work('alone')),
          index.shared(['a'], work('3')),
        ])
        expect(seen).to.deep.equal([2, 2, 1, 1])
      })

      it('try without waiting', async () => {
        expect(await index.attempt(['a'], async () => 'ran')).to.equal('ran')
        await index.shared(['a'], async () => {
          expect(await index.attempt(['a'], async () => 'ran')).to.equal(undefined)
          expect(await index.attempt(['b'], async () => 'ran')).to.equal('ran')
        })
      })
    })

    describe('check', () => {
      it('is fine with an index that works', () => index.check())

      it('rejects one that is closed, as reads and writes do', async () => {
        await index.close()
        for (const work of [
          index.check(),
          index.get(NEXT, 'a'),
          index.getMany(NEXT, [['a']]),
          index.page(NEXT, []),
          all(index.scan(NEXT, [])),
          index.apply([put(NEXT, ['a'], 1)]),
        ]) {
          expect(await refusal(work)).not.to.match(/went well/)
        }
      })
    })
  })
}

export async function all<Key, Row>(scan: AsyncIterable<Entry<Key, Row>>): Promise<Entry<Key, Row>[]> {
  const entries: Entry<Key, Row>[] = []
  for await (const entry of scan) entries.push(entry)
  return entries
}

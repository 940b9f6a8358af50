import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Index, type Op, put, type Reader } from '../../src/index/contract.ts'
import { IndexFolder, type Source } from '../../src/index/index-folder.ts'
import { openLevel } from '../../src/index/level-db.ts'
import { LINKS, MANIFEST_BYTES, TAGS, TRUTH } from '../../src/index/tables.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { FILE_DAMAGE } from '../support/file-damage.ts'
import { refusal } from '../support/refusal.ts'
import { tmpDir } from '../support/tmp.ts'

/** Small ones, so that a few hundred changes make several segments and a snapshot. */
const OPTIONS = { limits: { segment: 4000, snapshot: 12_000 } }

type Rows = Record<string, string>

describe('IndexFolder', () => {
  const fresh = tmpDir()
  /** The keys that each commit has changed, from 1. */
  const commits: string[][] = [[]]
  /** As a stop leaves it, and as a kill does. */
  const roots: Record<string, string> = {}
  let right: Rows

  before(async () => {
    const root = await fresh()
    for (const last of [30, 40, 60]) {
      const index = await openFolder(root)
      while (commits.length <= last) {
        const ops = opsOf(commits.length)
        commits.push(ops.map(({ table, key }) => nameOf(table.prefix, key)))
        await index.apply(ops)
      }
      if (last === 60) {
        roots.killed = await copied(root)
        right = await rowsOf(index)
      }
      await index.close()
    }
    roots.stopped = root
  })

  /** Tags that move and go, links, and bytes that no compression makes small. */
  function opsOf(commit: number): Op[] {
    const tag = `v${commit % 7}`
    const digest = digestOf(`${commit}`)
    const bytes = Buffer.from(Array.from({ length: 8 }, (_, i) => digestOf(`${commit} ${i}`)).join())
    return [
      put(LINKS, ['a', digest], { size: commit }),
      put(MANIFEST_BYTES, ['a', digest], bytes),
      commit % 5 === 0 ? { table: TAGS, key: ['a', tag], row: undefined } : put(TAGS, ['a', tag], { digest }),
    ]
  }

  const openFolder = (root: string) => new IndexFolder(root, OPTIONS).open(error => expect.fail(`${error}`))
  const nameOf = (prefix: string, key: readonly string[]) => [prefix, ...key].join(' ')

  async function copied(from: string): Promise<string> {
    const to = await fresh()
    await cp(from, to, { recursive: true })
    return to
  }

  async function rowsOf(index: Reader): Promise<Rows> {
    const rows: Rows = {}
    for (const table of TRUTH)
      for await (const { key, row } of index.scan(table, []))
        rows[nameOf(table.prefix, key)] =
          row instanceof Uint8Array ? Buffer.from(row).toString() : JSON.stringify(row)
    return rows
  }

  /** In the place of core/reindex.ts: nothing here is derived. */
  async function copyTruth(truth: Reader, target: Index): Promise<void> {
    for (const table of TRUTH)
      await target.apply((await truth.page(table, [])).map(({ key, row }) => ({ table, key, row })))
  }

  async function rebuilt(root: string, from: Source): Promise<string[]> {
    const lost: string[] = []
    const folder = new IndexFolder(root, OPTIONS)
    await folder.rebuild(from, copyTruth, loss => lost.push(loss))
    await folder.replace()
    return lost
  }

  /** The rows, after what the messages say was run; what that was, and what it lost. */
  async function recovered(root: string): Promise<{ rows: Rows; ran: Source[]; lost: string[] }> {
    const ran: Source[] = []
    const lost: string[] = []
    const open = async () => {
      const index = await openFolder(root)
      const rows = await rowsOf(index)
      await index.close()
      return rows
    }
    let work: () => Promise<Rows | undefined> = open
    for (;;) {
      try {
        const rows = await work()
        if (rows) return { rows, ran, lost }
        work = open
      } catch (error) {
        const { message } = error as Error
        const [, option] = /memflow-registry reindex(?: --([a-z-]+))?$/.exec(message) ?? expect.fail(message)
        const from = option === 'salvage' ? 'both' : option === 'from-journal' ? 'journal' : 'index'
        expect(ran, message).not.to.include(from)
        ran.push(from)
        work = async () => void lost.push(...(await rebuilt(root, from)))
      }
    }
  }

  /** Every damage to every file of the folder, each to a copy of its own, of a killed and a stopped one in turn. */
  async function each(
    folder: 'index' | 'journal',
    work: (copy: string, what: string) => Promise<void>,
    prepare: (copy: string) => Promise<void> = async () => {},
  ): Promise<void> {
    for (const [i, [state, root]] of Object.entries(roots).entries()) {
      for (const name of await readdir(join(root, folder))) {
        // Written for people, or made anew.
        if (/^LO(?:G|G\.old|CK)$/.test(name)) continue
        for (const [nth, [how, damage]] of Object.entries(FILE_DAMAGE).entries()) {
          if (nth % 2 !== i) continue
          const copy = await copied(root)
          await prepare(copy)
          await damage(join(copy, folder, name))
          await work(copy, `${state}, ${folder}/${name} ${how}`)
          await rm(copy, { recursive: true })
        }
      }
    }
  }

  const loseIndex = (root: string) => rm(join(root, 'index'), { recursive: true })

  it('has files of every kind to be damaged here', async () => {
    for (const root of Object.values(roots)) {
      const journal = await readdir(join(root, 'journal'))
      expect(journal.filter(name => name.endsWith('.log')).length).to.be.above(1)
      expect(journal.filter(name => name.endsWith('.snapshot')).length).to.equal(1)
      const index = await readdir(join(root, 'index'))
      expect(index.filter(name => name.endsWith('.ldb')).length).to.be.above(1)
    }
  })

  it('with LevelDB lost -> is refused, and made anew of the journal', async () => {
    for (const root of Object.values(roots)) {
      const copy = await copied(root)
      await loseIndex(copy)
      expect(await recovered(copy)).to.deep.equal({ rows: right, ran: ['journal'], lost: [] })
    }
  })

  it('with any file of LevelDB damaged -> is refused, or right; the journal has it all', async () => {
    let refused = 0
    await each('index', async (copy, what) => {
      const rows = await openFolder(copy).then(
        async index => {
          const found = await rowsOf(index)
          await index.close()
          return found
        },
        (error: Error) =>
          expect(error.message, what).to.match(/memflow-registry reindex --from-journal$/) && undefined,
      )
      if (rows) expect(rows, what).to.deep.equal(right)
      else if (refused++ % 4 > 0) return
      const { ran, ...rest } = await recovered(copy)
      expect(rest, what).to.deep.equal({ rows: right, lost: [] })
      expect(ran, what).to.deep.equal(rows ? [] : ['journal'])
    })
    expect(refused).to.be.above(15)
  })

  it('with any file of the journal damaged -> is refused, or right; the index has it all', async () => {
    await each('journal', async (copy, what) => {
      const { rows, ran, lost } = await recovered(copy)
      expect(rows, what).to.deep.equal(right)
      expect(ran.length > 0 ? ran : ['index'], what).to.deep.equal(['index'])
      expect(lost, what).to.deep.equal([])
      if (ran.length === 0) return
      // And the journal has it all again.
      await loseIndex(copy)
      expect(await recovered(copy), what).to.deep.equal({ rows: right, ran: ['journal'], lost: [] })
    })
  })

  it('with the journal lost -> is refused, and the journal made anew of the index', async () => {
    const copy = await copied(roots.killed ?? '')
    await rm(join(copy, 'journal'), { recursive: true })
    expect(await recovered(copy)).to.deep.equal({ rows: right, ran: ['index'], lost: [] })
  })

  it('with LevelDB lost and any file of the journal damaged -> has all but what it says is lost', async () => {
    let told = 0
    const newest = await Promise.all(
      Object.entries(roots).map(async ([state, root]) => {
        const segments = (await readdir(join(root, 'journal'))).filter(name => name.endsWith('.log')).sort()
        return `${state}, journal/${segments.at(-1)} `
      }),
    )
    await each(
      'journal',
      async (copy, what) => {
        const lost = await rebuilt(copy, 'both')
        const { rows, ran } = await recovered(copy)
        expect(ran, what).to.deep.equal([])
        const changed = new Set(lost.flatMap(keysLost))
        if (changed.size > 0) told++
        const all = new Set([...Object.keys(right), ...Object.keys(rows)])
        const wrong = [...all].filter(key => rows[key] !== right[key] && !changed.has(key))
        // What is missing at the end of the newest segment may be what a crash has torn, and nobody was told of.
        if (changed.size > 0 || !newest.some(path => what.includes(path)))
          expect(wrong, `${what}: ${lost}`).to.deep.equal([])
      },
      loseIndex,
    )
    expect(told).to.be.above(8)
  })

  /** The keys that were changed by what a report says is lacking. */
  function keysLost(report: string): string[] {
    const rows = /^journal\/0*(\d+)\.snapshot is damaged .* it lacks rows$/.exec(report)
    if (rows) return commits.slice(1, Number(rows[1]) + 1).flat()
    const [, first, last = first] = / it lacks changes? (\d+)(?: to (\d+))?$/.exec(report) ?? []
    return commits.slice(Number(first), Number(last) + 1).flat()
  }

  it('with a block of LevelDB and a line of the journal damaged -> has what either of them has', async () => {
    for (const state of ['killed', 'stopped']) {
      const copy = await copied(roots[state] ?? '')
      for (const folder of ['index', 'journal']) {
        const names = (await readdir(join(copy, folder))).filter(name => /\.(?:ldb|log)$/.test(name)).sort()
        const name = folder === 'index' ? names.find(one => one.endsWith('.ldb')) : names[0]
        await FILE_DAMAGE['changed at place 2 of 4']?.(join(copy, folder, name ?? ''))
      }
      const { rows, ran, lost } = await recovered(copy)
      expect(ran).to.deep.equal(['journal', 'both'])
      expect(lost.length).to.be.above(1)
      const damaged = new Set(lost.flatMap(keysLost))
      for (const [key, row] of Object.entries(right))
        if (!damaged.has(key)) expect(rows[key], key).to.equal(row)
    }
  })

  it('with a block of LevelDB damaged and the journal lost -> has what LevelDB has', async () => {
    const copy = await copied(roots.stopped ?? '')
    await rm(join(copy, 'journal'), { recursive: true })
    const [name = ''] = (await readdir(join(copy, 'index'))).filter(one => one.endsWith('.ldb')).sort()
    await FILE_DAMAGE['changed at place 2 of 4']?.(join(copy, 'index', name))
    const { rows, ran, lost } = await recovered(copy)
    expect(ran).to.deep.equal(['journal', 'both'])
    expect(lost).to.include(`index/${name} is damaged`)
    const there = Object.entries(rows).filter(([key, row]) => right[key] === row)
    expect(there.length).to.be.above(Object.keys(right).length / 3)
  })

  it('keeps what a damaged index and journal were, where it is told to', async () => {
    const copy = await copied(roots.stopped ?? '')
    const folder = new IndexFolder(copy, OPTIONS)
    await folder.rebuild('both', copyTruth)
    const old = await folder.replace({ keep: true })
    expect(await readdir(old)).to.include('index')
    expect((await readdir(old)).filter(name => name.endsWith('.log')).length).to.be.above(0)
    expect((await recovered(copy)).rows).to.deep.equal(right)
  })

  it('is not made anew while it is open', async () => {
    const copy = await copied(roots.stopped ?? '')
    const level = await openLevel(join(copy, 'index'))
    const folder = new IndexFolder(copy, OPTIONS)
    for (const from of ['index', 'journal', 'both'] as const)
      expect(await refusal(folder.rebuild(from, copyTruth)), from).to.equal('Database failed to open')
    await level.close()
  })

  it('refuses a row of LevelDB that is not what was written, and goes on with the others', async () => {
    const copy = await copied(roots.stopped ?? '')
    const level = await openLevel(join(copy, 'index'))
    const stored = (await level.get('tag\0a\0v1')) as string
    await level.put('tag\0a\0v1', stored.replace('sha256:', 'sha256:0'))
    await level.put('tag\0a\0v0', stored)
    await level.close()
    const index = await openFolder(copy)
    for (const tag of ['v0', 'v1']) expect(await refusal(index.get(TAGS, 'a', tag))).to.equal('INDEX_DAMAGED')
    expect(await refusal(index.page(TAGS, ['a']))).to.equal('INDEX_DAMAGED')
    expect(await index.get(TAGS, 'a', 'v2')).to.have.property('digest')
    await index.close()
  })

  describe('a large one', () => {
    const LARGE = { ...OPTIONS, checkedFirst: 0 }
    const reports: unknown[] = []
    const openLarge = (root: string) => new IndexFolder(root, LARGE).open(error => reports.push(error))

    it('is open before its files are checked; what is not there is so when they are', async () => {
      const index = await openLarge(await copied(roots.stopped as string))
      expect(await index.get(TAGS, 'nobody', 'v1')).to.equal(undefined)
      expect(await rowsOf(index)).to.deep.equal(right)
      await index.close()
      expect(reports).to.deep.equal([])
    })

    it('that is damaged -> nothing is taken for missing, nor left out of a list or a backup', async () => {
      const root = await copied(roots.stopped as string)
      const files = (await readdir(join(root, 'index'))).filter(name => name.endsWith('.ldb'))
      for (const name of files) {
        const bytes = await readFile(join(root, 'index', name))
        bytes[40] = (bytes[40] ?? 0) ^ 1
        await writeFile(join(root, 'index', name), bytes)
      }
      const index = await openLarge(root)
      const snapshot = index.snapshot()
      for (const read of [
        index.get(TAGS, 'nobody', 'v1'),
        index.page(TAGS, ['a']),
        snapshot.get(TAGS, 'nobody', 'v1'),
        snapshot.page(TAGS, []),
      ])
        expect(await refusal(read)).to.equal('INDEX_DAMAGED')
      expect(await refusal(index.check())).to.equal('INDEX_DAMAGED')
      expect(reports).to.have.length(1)
      await snapshot.close()
      await index.close()
    })
  })
})

import { appendFile, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { put } from '../../src/index/contract.ts'
import { checkFiles, damagedFiles } from '../../src/index/level-files.ts'
import { LevelIndex } from '../../src/index/level-index.ts'
import { levelFiles } from '../../src/index/level-manifest.ts'
import { isWholeTable } from '../../src/index/level-table.ts'
import { BYTES, NEXT, PAIRS } from '../contracts/index.ts'
import { refusal } from '../support/refusal.ts'
import { tmpDir } from '../support/tmp.ts'

/** Behind the handles in a footer of 48 bytes are some of no use, and then 8 of a magic number. */
const [FOOTER, MAGIC] = [48, 8]

describe('the files of LevelDB', () => {
  const fresh = tmpDir()
  let folder: string

  /** Several tables: rows that pack well, ones that do not, and a large one. */
  beforeEach(async () => {
    folder = await fresh()
    for (const session of [1, 2, 3]) {
      const index = await LevelIndex.open(folder)
      const rows = Array.from({ length: 300 }, (_, i) =>
        put(PAIRS, [`${session}`, `${1000 + i}`], { text: 'again and '.repeat(9), i }),
      )
      await index.apply(rows)
      const noise = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * i * session) >> 3))
      await index.apply([put(BYTES, [`${session}`], noise), put(NEXT, ['deleted'], session)])
      await index.close()
    }
    // A last start makes a table of what is in LevelDB's log.
    await (await LevelIndex.open(folder)).close()
  })

  const tables = async () => (await readdir(folder)).filter(name => name.endsWith('.ldb')).sort()
  const damaged = async () => {
    const found: string[] = []
    for await (const file of damagedFiles(folder)) found.push(file)
    return found
  }

  it('are whole as LevelDB has written them', async () => {
    expect((await tables()).length).to.be.above(1)
    expect((await levelFiles(folder))?.tables.size).to.equal((await tables()).length)
    expect(await damaged()).to.deep.equal([])
    await checkFiles(folder)
  })

  it('are whole while they are open, and written to', async () => {
    const index = await LevelIndex.open(folder)
    for (let i = 0; i < 20; i++) {
      await index.apply([put(BYTES, [`${i}`], Buffer.alloc(500_000, `${i}`))])
      await index.verify()
    }
    await index.close()
  })

  it('are damaged with any byte of a table changed, but for those that hold nothing', async () => {
    const [name = ''] = await tables()
    const table = await readFile(join(folder, name))
    expect(isWholeTable(table)).to.equal(true)
    const unused = (at: number) => at >= table.length - FOOTER && at < table.length - MAGIC
    const places = new Set(
      Array.from({ length: 400 }, (_, i) => (i < 200 ? table.length - 1 - i : (i * 7919) % table.length)),
    )
    for (const at of places) {
      const byte = table[at] ?? 0
      table[at] = byte ^ (1 << (at % 8))
      if (!unused(at)) expect(isWholeTable(table), `byte ${at} of ${table.length}`).to.equal(false)
      table[at] = byte
    }
    for (let size = 0; size < table.length; size += 97)
      expect(isWholeTable(table.subarray(0, size)), `${size} bytes`).to.equal(false)
  })

  it('are named where they are damaged', async () => {
    const [first = '', second = ''] = await tables()
    const bytes = await readFile(join(folder, first))
    bytes[100] = (bytes[100] ?? 0) ^ 1
    await writeFile(join(folder, first), bytes)
    await appendFile(join(folder, second), 'x')
    expect(await damaged()).to.deep.equal([`index/${first}`, `index/${second}`])
    const error = await checkFiles(folder).catch(failure => failure)
    expect(error).to.have.property('error', 'INDEX_DAMAGED')
    expect(error.message).to.equal(
      `index/${first} is damaged; stop the registry and make the index anew: memflow-registry reindex --from-journal`,
    )
  })

  it('are refused without the list of them, or one that makes no sense', async () => {
    for (const current of [
      '',
      'MANIFEST-000001',
      'MANIFEST-999999\n',
      '../x\n',
      'MANIFEST-\0\n',
      undefined,
    ]) {
      if (current === undefined) await rm(join(folder, 'CURRENT'))
      else await writeFile(join(folder, 'CURRENT'), current)
      expect(await refusal(checkFiles(folder)), current).to.equal('INDEX_DAMAGED')
    }
  })

  it('that are found damaged while the index is open end its answers', async () => {
    const index = await LevelIndex.open(folder)
    const [name = ''] = await tables()
    const bytes = await readFile(join(folder, name))
    bytes[100] = (bytes[100] ?? 0) ^ 1
    await writeFile(join(folder, name), bytes)
    expect(await refusal(index.verify())).to.equal('INDEX_DAMAGED')
    for (const work of [
      () => index.get(NEXT, 'nothing'),
      () => index.page(NEXT, []),
      () => index.check(),
    ] as const)
      expect(await refusal(work())).to.equal('INDEX_DAMAGED')
    await index.close()
  })
})

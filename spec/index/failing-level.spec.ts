import { cp, mkdir, open, readdir, rename, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { put } from '../../src/index/contract.ts'
import { IndexFolder } from '../../src/index/index-folder.ts'
import type { LevelIndex } from '../../src/index/level-index.ts'
import { NEXT } from '../contracts/index.ts'
import { mountTmpfs } from '../support/mounted.ts'
import { refusal } from '../support/refusal.ts'
import { tmpDir } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const WENT_WELL = 'nothing: it went well'
const MIB = 1024 * 1024

describe('an index whose LevelDB cannot be written', () => {
  const fresh = tmpDir()
  let root: string
  let index: LevelIndex
  let reported: unknown[]
  /** What was acknowledged. */
  let rows: Map<string, string>

  async function start(folder: string, segment = 8 * MIB): Promise<void> {
    root = folder
    reported = []
    rows = new Map()
    index = await new IndexFolder(root, { limits: { segment, snapshot: 64 * MIB } }).open(error =>
      reported.push(error),
    )
  }

  async function add(key: string, value: string): Promise<string> {
    const outcome = await refusal(index.apply([put(NEXT, [key], value as unknown as number)]))
    if (outcome === WENT_WELL) rows.set(key, value)
    return outcome
  }

  /** Every way to read has exactly what was acknowledged. */
  async function expectRows(): Promise<void> {
    const right = [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, row]) => ({ key: [key], row }))
    for (const [key, row] of rows) expect(await index.get(NEXT, key)).to.equal(row)
    expect(await index.page(NEXT, [])).to.deep.equal(right)
    expect(await index.page(NEXT, [], { limit: 3 })).to.deep.equal(right.slice(0, 3))
    const scanned = []
    for await (const entry of index.scan(NEXT, [])) scanned.push(entry)
    expect(scanned).to.deep.equal(right)
    const snapshot = index.snapshot()
    expect(await snapshot.page(NEXT, [])).to.deep.equal(right)
    await snapshot.close()
    await index.checkReads()
  }

  const segments = async () =>
    (await readdir(join(root, 'journal'))).filter(name => name.endsWith('.log')).sort()

  /** A new segment is begun only when LevelDB has everything. */
  async function expectRecovery(): Promise<void> {
    const [newest] = (await segments()).slice(-1)
    await until(async () => {
      await add('again', `${Math.random()}`)
      return (await segments()).slice(-1)[0] !== newest
    })
    expect((await readdir(root)).filter(name => name.startsWith('index'))).to.deep.equal(['index'])
  }

  async function expectAllAfterRestart(): Promise<void> {
    await index.close()
    index = await new IndexFolder(root).open(error => reported.push(error))
    await expectRows()
  }

  describe('because its folder is away', () => {
    const large = 'x'.repeat(2.5 * MIB)

    beforeEach(async () => {
      await start(await fresh(), 1)
      await index.close()
      await cp(join(root, 'index'), join(root, 'older'), { recursive: true })
      await start(root, 1)
      for (let i = 0; i < 5; i++) expect(await add(`row ${i}`, 'before')).to.equal(WENT_WELL)
      await rename(join(root, 'index'), join(root, 'away'))
      // LevelDB has these in memory. When that is full it needs a new log, which cannot be made.
      for (let i = 0; i < 2; i++) expect(await add(`large ${i}`, large)).to.equal(WENT_WELL)
    })

    afterEach(() => index.close())

    it('takes changes, and reads them, and is written again when the folder is back', async () => {
      const unchanged = index.watch([NEXT])
      for (let i = 0; i < 10; i++) expect(await add(`row ${i}`, 'meanwhile')).to.equal(WENT_WELL)
      expect(unchanged()).to.equal(false)
      expect(index.watch([NEXT])()).to.equal(true)
      expect(reported).not.to.have.length(0)
      await expectRows()
      await rename(join(root, 'away'), join(root, 'index'))
      await expectRecovery()
      await expectRows()
      await expectAllAfterRestart()
    })

    it('does not begin a segment before LevelDB has the rows of the one before', async () => {
      const before = await segments()
      for (let i = 0; i < 10; i++) await add(`row ${i}`, 'meanwhile')
      expect(await segments()).to.deep.equal(before)
      await rename(join(root, 'away'), join(root, 'index'))
      await expectRecovery()
    })

    it('goes on with a scan and a snapshot that were begun before', async () => {
      for (let i = 0; i < 3; i++) await add(`row ${i}`, 'meanwhile')
      const right = [...rows].sort(([a], [b]) => (a < b ? -1 : 1))
      const snapshot = index.snapshot()
      const scan = index.scan(NEXT, [])[Symbol.asyncIterator]()
      expect((await scan.next()).value).to.have.property('row', right[0]?.[1])
      await rename(join(root, 'away'), join(root, 'index'))
      await until(async () => (await readdir(root)).includes('index.standby'))
      await add('row 4', 'later')
      expect((await snapshot.page(NEXT, [])).map(({ row }) => row)).to.deep.equal(right.map(([, row]) => row))
      await snapshot.close()
      for (let i = 1; i < right.length; i++)
        expect((await scan.next()).value.key).to.deep.equal([right[i]?.[0]])
      await scan.return?.()
      await expectRecovery()
      await expectRows()
    })

    for (const [what, make] of [
      ['is away again', async () => {}],
      ['is an empty one', () => mkdir(join(root, 'index'))],
      [
        'has the files of an older one',
        () => cp(join(root, 'older'), join(root, 'index'), { recursive: true }),
      ],
    ] as const) {
      it(`reads a copy until LevelDB can be opened again, if its folder ${what} when it has been closed`, async () => {
        const scan = index.scan(NEXT, [])[Symbol.asyncIterator]()
        await scan.next()
        await add('row 1', 'meanwhile')
        await rename(join(root, 'away'), join(root, 'index'))
        await until(async () => (await readdir(root)).includes('index.standby'))
        await rename(join(root, 'index'), join(root, 'away'))
        await make()
        reported.length = 0
        // LevelDB is closed now, and cannot be opened.
        await scan.return?.()
        await until(() => reported.length > 0)
        expect(await add('row 2', 'meanwhile')).to.equal(WENT_WELL)
        await expectRows()
        await rm(join(root, 'index'), { recursive: true, force: true })
        await rename(join(root, 'away'), join(root, 'index'))
        await rm(join(root, 'older'), { recursive: true })
        await expectRecovery()
        await expectRows()
        await expectAllAfterRestart()
      })
    }

    it('has everything after a restart though LevelDB never took it', async () => {
      for (let i = 0; i < 10; i++) await add(`row ${i}`, 'meanwhile')
      await rename(join(root, 'away'), join(root, 'index'))
      await expectAllAfterRestart()
    })

    it('refuses changes, saying why and since when, once it is owed too much', async () => {
      let outcome = WENT_WELL
      let owed = 0
      for (; outcome === WENT_WELL && owed < 20; owed++) outcome = await add(`owed ${owed}`, large)
      expect(outcome).to.equal('READ_ONLY')
      // Three are less than 8 MiB, the fourth one crosses the limit, and the fifth is refused.
      expect(owed).to.equal(5)
      const failure = await index.check().catch(error => error)
      expect(failure.message).to.match(/LevelDB fails since 20\d\d-\d\d-\d\dT/)
      await expectRows()
      await rename(join(root, 'away'), join(root, 'index'))
      await expectRecovery()
      await index.check()
      await expectRows()
    })
  })

  describe('because the disk is full', () => {
    let disk: Awaited<ReturnType<typeof mountTmpfs>>

    beforeEach(async function () {
      const folder = join(await fresh(), 'disk')
      disk = await mountTmpfs(folder, 32 * MIB)
      if (!disk) this.skip()
      await start(folder, 20_000)
    })

    afterEach(async () => {
      await index?.close()
      await disk?.unmount()
    })

    /** Takes all space but so many bytes. */
    async function fillUp(left: number): Promise<void> {
      const ballast = await open(join(root, 'ballast'), 'w')
      for (const size of [MIB, 4096, 1])
        while (
          await ballast.write(Buffer.alloc(size, 1)).then(
            ({ bytesWritten }) => bytesWritten > 0,
            () => false,
          )
        );
      const { size } = await ballast.stat()
      await ballast.close()
      await truncate(join(root, 'ballast'), size - left)
    }

    // From no byte to as many as LevelDB needs: it runs out at another place each time.
    for (const left of [0, 4096, 8192, 12_288, 20_480, 40_960, 65_536, 131_072]) {
      it(`reads all that was acknowledged with ${left} bytes left, and takes changes again when there is space`, async () => {
        for (let i = 0; i < 40; i++) expect(await add(`row ${i}`, 'x'.repeat(900))).to.equal(WENT_WELL)
        await fillUp(left)
        let refused = 0
        for (let i = 0; i < 300; i++) {
          const outcome = await add(`row ${i % 150}`, `${i} ${'y'.repeat(500 + i)}`)
          expect(outcome).to.be.oneOf([WENT_WELL, 'STORAGE_FULL'])
          if (outcome !== WENT_WELL) refused++
          if (i % 20 === 0) await expectRows()
        }
        expect(refused).to.be.above(0)
        const failure = await index.check().catch(error => error)
        expect(failure?.message).to.match(/is full.* \((?:the journal|LevelDB) fails since 20/)
        await expectRows()
        await rm(join(root, 'ballast'))
        await until(async () => (await refusal(index.check())) === WENT_WELL)
        await expectRecovery()
        await expectRows()
        await expectAllAfterRestart()
      })
    }
  })

  it('reads a table that it has not read yet though no descriptor is left', async () => {
    await start(await fresh(), 1)
    for (let i = 0; i < 8; i++) await add(`row ${i}`, 'x')
    await index.close()
    await start(root, 1)
    for (let i = 0; i < 8; i++) rows.set(`row ${i}`, 'x')
    const before = await tables()
    // A table that is away can be read as little as one that cannot be opened.
    await rename(join(root, 'index'), join(root, 'away'))
    expect(before).not.to.have.length(0)
    await expectRows()
    await rename(join(root, 'away'), join(root, 'index'))
    await index.close()
  })

  const tables = async () => (await readdir(join(root, 'index'))).filter(name => name.endsWith('.ldb'))

  it('removes what a crash has left of a copy', async () => {
    await start(await fresh())
    await index.close()
    await cp(join(root, 'index'), join(root, 'index.standby'), { recursive: true })
    await start(root)
    expect(await readdir(root)).not.to.include('index.standby')
    await index.close()
  })
})

import { join } from 'node:path'
import { expect } from 'chai'
import { Level } from 'level'
import { put } from '../../src/index/contract.ts'
import { IndexFolder } from '../../src/index/index-folder.ts'
import { LevelIndex } from '../../src/index/level-index.ts'
import { all, BYTES, indexContract, NEXT } from '../contracts/index.ts'
import { watched } from '../support/level.ts'
import { refusal } from '../support/refusal.ts'
import { tmpDir } from '../support/tmp.ts'

const fresh = tmpDir()

indexContract('LevelIndex', async () => {
  const folder = await fresh()
  let index = await LevelIndex.open(folder)
  return {
    index,
    reopen: async () => {
      await index.close()
      index = await LevelIndex.open(folder)
      return index
    },
  }
})

indexContract('LevelIndex behind its journal', async () => {
  // What fails in the background shows in the rows; a second close, say, does not.
  const report = () => {}
  const folder = new IndexFolder(await fresh())
  let index = await folder.open(report)
  return {
    index,
    reopen: async () => {
      await index.close()
      index = await folder.open(report)
      return index
    },
  }
})

describe('LevelIndex', () => {
  it('makes its folder', async () => {
    const index = await LevelIndex.open(join(await fresh(), 'made', 'by-itself'))
    await index.check()
    await index.close()
  })

  it('is open in one process only, and says so', async () => {
    const folder = await fresh()
    const index = await LevelIndex.open(folder)
    const error = await LevelIndex.open(folder).then(
      () => undefined,
      (cause: Error) => cause,
    )
    expect(String((error?.cause as Error | undefined)?.message ?? error?.message)).to.match(/lock/i)
    await index.close()
  })

  describe('over a database that is watched', () => {
    let counts: ReturnType<typeof watched>['counts']
    let fail: ReturnType<typeof watched>['fail']
    let index: LevelIndex

    beforeEach(async () => {
      const db = new Level<string, string | Uint8Array>(await fresh(), { valueEncoding: 'utf8' })
      await db.open()
      const made = watched(db)
      counts = made.counts
      fail = made.fail
      index = new LevelIndex(made.db)
      await index.apply(Array.from({ length: 1000 }, (_, i) => put(NEXT, [`${1000 + i}`], i)))
      counts.entries = counts.batches = 0
    })

    afterEach(() => index.close())

    it('reads for a page no more than it answers', async () => {
      await index.page(NEXT, [], { limit: 3 })
      expect(counts.entries).to.equal(3)
    })

    it('reads for a scan no more than 64 ahead', async () => {
      for await (const _ of index.scan(NEXT, [])) break
      expect(counts.entries).to.be.within(1, 64)
      await all(index.scan(NEXT, []))
      expect(counts.entries).to.be.within(1000, 1064)
    })

    it('leaves no iterator open', async () => {
      for await (const _ of index.scan(NEXT, [])) break
      await all(index.scan(NEXT, []))
      await index.page(NEXT, [])
      expect(counts.open).to.equal(0)
    })

    it('writes what comes together in few batches, all of them synced', async () => {
      await Promise.all(Array.from({ length: 100 }, (_, i) => index.apply([put(NEXT, ['a'], i)])))
      expect(counts.batches).to.be.within(1, 3)
      expect(counts.unsynced).to.equal(0)
    })

    it('writes nothing for nothing', async () => {
      await index.apply([])
      expect(counts.batches).to.equal(0)
    })

    for (const message of [
      'IO error: /x/000003.log: No space left on device',
      'ENOSPC: no space left on device, write',
      'IO error: Disk quota exceeded',
    ]) {
      it(`answers "${message}" with STORAGE_FULL, and takes the next write`, async () => {
        fail(new Error('Database failed to write', { cause: new Error(message) }))
        expect(await refusal(index.apply([put(NEXT, ['a'], 1)]))).to.equal('STORAGE_FULL')
        fail(undefined)
        await index.apply([put(NEXT, ['a'], 2)])
        expect(await index.get(NEXT, 'a')).to.equal(2)
      })
    }

    it('passes other failures on', async () => {
      fail(new Error('Corruption: bad block'))
      expect(await refusal(index.apply([put(NEXT, ['a'], 1)]))).to.equal('Corruption: bad block')
      expect(await index.get(NEXT, 'a')).to.equal(undefined)
    })

    it('gives bytes that a later read does not change', async () => {
      await index.apply([put(BYTES, ['a'], Buffer.from('first')), put(BYTES, ['b'], Buffer.from('other'))])
      const a = await index.get(BYTES, 'a')
      await index.get(BYTES, 'b')
      expect(Buffer.from(a ?? []).toString()).to.equal('first')
    })
  })
})

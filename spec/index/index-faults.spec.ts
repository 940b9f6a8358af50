import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { put } from '../../src/index/contract.ts'
import { IndexFolder } from '../../src/index/index-folder.ts'
import type { JournalLimits } from '../../src/index/journal.ts'
import type { LevelIndex } from '../../src/index/level-index.ts'
import { REPOSITORIES } from '../../src/index/tables.ts'
import { FaultyFs } from '../support/faults.ts'
import { refusal } from '../support/refusal.ts'
import { tmpDir } from '../support/tmp.ts'

describe('an index on a disk that fails', () => {
  const fresh = tmpDir()
  let root: string
  let faulty: FaultyFs
  let reported: unknown[]

  beforeEach(async () => {
    root = await fresh()
    faulty = new FaultyFs(root)
    reported = []
  })

  const open = (limits?: JournalLimits) =>
    new IndexFolder(root, { fs: faulty.fs, ...(limits && { limits }) }).open(error => reported.push(error))
  const add = (index: LevelIndex, name: string) =>
    refusal(index.apply([put(REPOSITORIES, [name], { created: 'now' })]))
  const journal = async () => {
    const files = (await readdir(join(root, 'journal'))).sort()
    return (await Promise.all(files.map(file => readFile(join(root, 'journal', file), 'utf8')))).join('')
  }

  it('has its folder under a synced name before anything is written', async () => {
    await (await open()).close()
    const made = faulty.calls.indexOf('mkdir index')
    const synced = faulty.calls.indexOf('sync .', made)
    expect(made).to.be.above(-1)
    expect(synced).to.be.within(made, faulty.calls.indexOf('open journal/new'))
  })

  for (const code of ['ENOSPC', 'EIO'] as const) {
    it(`acknowledges a change though the next segment cannot be begun, and begins it later (${code})`, async () => {
      for (const call of ['open journal/new', 'rename journal/new', 'close journal']) {
        const index = await open({ segment: 1, snapshot: 1_000_000 })
        faulty.fail(call, code)
        expect(await add(index, `${call} 1`), call).to.equal('nothing: it went well')
        faulty.heal()
        reported.length = 0
        expect(await add(index, `${call} 2`), call).to.equal('nothing: it went well')
        expect(reported, call).to.deep.equal([])
        await index.close()
      }
      const again = await open()
      expect(await again.page(REPOSITORIES, [])).to.have.length(6)
      await again.close()
    })

    it(`leaves nothing in the journal of a change that was refused (${code} at the write)`, async () => {
      const index = await open()
      await add(index, 'before')
      faulty.halfWrites = true
      let writes = 0
      faulty.failIf(call =>
        /^truncate/.test(call) || (/^writev/.test(call) && ++writes > 1) ? code : undefined,
      )
      await add(index, `refused-${'x'.repeat(1000)}`)
      faulty.heal()
      await index.close()
      expect(await journal())
        .to.include('before')
        .and.not.include('refused')
      await (await open()).close()
    })
  }

  it('leaves nothing in the journal of a change whose sync found no space', async () => {
    const index = await open()
    await add(index, 'before')
    faulty.failIf(call => (/^(?:datasync|truncate) journal/.test(call) ? 'ENOSPC' : undefined))
    expect(await add(index, 'refused')).to.equal('STORAGE_FULL')
    faulty.heal()
    await index.close()
    expect(await journal())
      .to.include('before')
      .and.not.include('refused')
  })

  it('has a snapshot ended that a stop has begun', async () => {
    const index = await open({ segment: 1_000_000, snapshot: 1 })
    await add(index, 'a')
    await index.close()
    expect(reported).to.deep.equal([])
    expect((await readdir(join(root, 'journal'))).some(name => name.endsWith('.snapshot'))).to.equal(true)
  })
})

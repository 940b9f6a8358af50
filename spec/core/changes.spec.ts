import { expect } from 'chai'
import { changePlugins, changeRepositories } from '../../src/core/changes.ts'
import { openLevel, writeLevel } from '../../src/index/level-db.ts'
import { LevelIndex } from '../../src/index/level-index.ts'
import { NAMES, TAGS } from '../../src/index/tables.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { refusal } from '../support/refusal.ts'
import { registries, repo } from '../support/registry.ts'
import { tmpDir } from '../support/tmp.ts'

describe('core/changes', () => {
  const open = registries()
  const fresh = tmpDir()
  const A = repo('a')
  const row = (text: string) => ({ digest: digestOf(text) })

  it('changes of one repository follow each other, and share their writes', async () => {
    const { index, level } = await open()
    level.counts.batches = 0
    const seen: (string | undefined)[] = []
    const changes = Array.from({ length: 20 }, (_, i) =>
      changeRepositories(index, [A], async batch => {
        seen.push((await batch.get(TAGS, 'a', 'v'))?.digest)
        batch.put(TAGS, ['a', 'v'], row(`${i}`))
      }),
    )
    await Promise.all(changes)
    expect(seen).to.deep.equal([undefined, ...Array.from({ length: 19 }, (_, i) => digestOf(`${i}`))])
    expect(level.counts.batches).to.be.below(10)
    expect(await index.get(TAGS, 'a', 'v')).to.deep.equal(row('19'))
  })

  it('changes of plugins follow each other wherever they are, and share their writes', async () => {
    const { index, level } = await open()
    level.counts.batches = 0
    const seen: (string | undefined)[] = []
    const changes = Array.from({ length: 20 }, (_, i) =>
      changePlugins(
        index,
        async () => [repo(`r${i}`)],
        async batch => {
          seen.push((await batch.get(NAMES, 'p'))?.description)
          batch.put(NAMES, ['p'], { name: 'p', description: `${i}` })
        },
      ),
    )
    await Promise.all(changes)
    expect(seen).to.deep.equal([undefined, ...Array.from({ length: 19 }, (_, i) => `${i}`)])
    expect(level.counts.batches).to.be.below(10)
  })

  it('lists have what is on its way as well', async () => {
    const { index } = await open()
    const first = changeRepositories(index, [A], async batch => batch.put(TAGS, ['a', 'v1'], row('1')))
    let listed: string[] = []
    await changeRepositories(index, [A], async batch => {
      listed = (await batch.page(TAGS, ['a'])).map(({ key }) => key[1])
    })
    await first
    expect(listed).to.deep.equal(['v1'])
  })

  it('readers see a change when it is durable', async () => {
    const db = await openLevel(await fresh())
    let write = () => {}
    const disk = new Promise<void>(resolve => {
      write = resolve
    })
    const index = new LevelIndex(db, {
      write: async changes => {
        await disk
        await writeLevel(db, changes)
      },
      check: () => {},
      close: () => db.close(),
    })
    const first = changeRepositories(index, [A], async batch => batch.put(TAGS, ['a', 'v'], row('1')))
    const second = changeRepositories(index, [A], async batch => {
      expect([await index.get(TAGS, 'a', 'v'), await batch.get(TAGS, 'a', 'v')]).to.deep.equal([
        undefined,
        row('1'),
      ])
      write()
    })
    await Promise.all([first, second])
    expect(await index.get(TAGS, 'a', 'v')).to.deep.equal(row('1'))
    await index.close()
  })

  it('a change that began before another failed fails as well: it may have seen that one', async () => {
    const { index, level } = await open()
    level.fail(new Error('the disk is away'))
    const failing = changeRepositories(index, [A], async batch => batch.put(TAGS, ['a', 'v'], row('1')))
    const behind = changeRepositories(index, [repo('b')], async batch => {
      expect(await refusal(failing)).to.equal('the disk is away')
      level.fail(undefined)
      batch.put(TAGS, ['b', 'v'], row('2'))
    })
    expect(await refusal(behind)).to.equal('the disk is away')
    await changeRepositories(index, [A], async batch => {
      expect(await batch.get(TAGS, 'a', 'v'), 'nothing of it is left').to.equal(undefined)
      batch.put(TAGS, ['a', 'v'], row('3'))
    })
    expect(await index.get(TAGS, 'a', 'v')).to.deep.equal(row('3'))
  })
})

import { expect } from 'chai'
import { changeRepositories } from '../../src/core/changes.ts'
import { TAGS } from '../../src/index/tables.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { refusal } from '../support/refusal.ts'
import { registries, repo } from '../support/registry.ts'

describe('core/changes', () => {
  const open = registries()
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
    const { index } = await open()
    let within: unknown = 'not asked'
    const first = changeRepositories(index, [A], async batch => batch.put(TAGS, ['a', 'v'], row('1')))
    await changeRepositories(index, [A], async batch => {
      within = [await index.get(TAGS, 'a', 'v'), await batch.get(TAGS, 'a', 'v')]
    })
    expect(within).to.deep.equal([undefined, row('1')])
    await first
    expect(await index.get(TAGS, 'a', 'v')).to.deep.equal(row('1'))
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

import { expect } from 'chai'
import { del, put } from '../../src/index/contract.ts'
import { Stamps } from '../../src/index/stamps.ts'
import { REPOSITORIES, TAGS } from '../../src/index/tables.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { refusal } from '../support/refusal.ts'
import { registries } from '../support/registry.ts'

describe('index/stamps', () => {
  const tagOf = (repository: string, tag = 'v1') =>
    put(TAGS, [repository, tag], { digest: digestOf(repository) })

  it('says yes until a row changes under the part that is watched', () => {
    const stamps = new Stamps()
    const unchanged = stamps.watch([[TAGS, 'a']])
    stamps.begin([tagOf('b')])
    stamps.end()
    expect(unchanged()).to.equal(true)
    stamps.begin([del(TAGS, ['a', 'v2'])])
    stamps.end()
    expect(unchanged()).to.equal(false)
  })

  it('says no for a whole table when any of its rows changes', () => {
    const stamps = new Stamps()
    const tags = stamps.watch([[TAGS]])
    const repositories = stamps.watch([[REPOSITORIES]])
    stamps.begin([tagOf('b')])
    stamps.end()
    expect([tags(), repositories()]).to.deep.equal([false, true])
  })

  it('says no of several kinds of rows when one changes', () => {
    const stamps = new Stamps()
    const unchanged = stamps.watch([
      [REPOSITORIES, 'a'],
      [TAGS, 'a'],
    ])
    stamps.begin([tagOf('a')])
    stamps.end()
    expect(unchanged()).to.equal(false)
  })

  it('says no for good of what was watched while a change was under way', () => {
    const stamps = new Stamps()
    stamps.begin([tagOf('a', 'v1'), tagOf('a', 'v2')])
    const during = stamps.watch([[TAGS, 'a']])
    expect(during()).to.equal(false)
    stamps.end()
    expect(during()).to.equal(false)
    expect(stamps.watch([[TAGS, 'a']])()).to.equal(true)
  })

  it('does not come round to yes by a second change that begins before the first has ended', () => {
    const stamps = new Stamps()
    const unchanged = stamps.watch([[TAGS, 'a']])
    stamps.begin([tagOf('a')])
    stamps.begin([tagOf('a')])
    expect(unchanged()).to.equal(false)
    expect(stamps.watch([[TAGS, 'a']])()).to.equal(false)
  })

  describe('in an index', () => {
    const open = registries()

    it('a change is told by the time that it is acknowledged', async () => {
      const { index } = await open()
      const unchanged = index.watch([TAGS, 'a'])
      await index.apply([tagOf('a')])
      expect(unchanged()).to.equal(false)
      expect(index.watch([TAGS, 'a'])()).to.equal(true)
    })

    it('a change that failed says nothing for good: the rows are as before', async () => {
      const { index, level } = await open()
      const before = index.watch([TAGS, 'a'])
      level.fail(new Error('the disk is away'))
      expect(await refusal(index.apply([tagOf('a')]))).to.equal('the disk is away')
      expect(before()).to.equal(false)
      expect(await index.get(TAGS, 'a', 'v1')).to.equal(undefined)
      expect(index.watch([TAGS, 'a'])()).to.equal(true)
    })
  })
})

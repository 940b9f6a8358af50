import { expect } from 'chai'
import type { ReadList } from '../../../src/core/plugin-reads.ts'
import type { Named } from '../../../src/core/variants.ts'
import { NamesAnswers } from '../../../src/http/memflow/names-answer.ts'

const names = (count: number): Named[] =>
  Array.from({ length: count }, (_, n) => ({ name: `nämé-${n}`, description: `"${n}"\n` }))

describe('http/memflow/names-answer', () => {
  let items: Named[]
  let version: number
  let reads: number
  let here: boolean
  let failing: boolean
  let answers: NamesAnswers
  let withUpstreams: NamesAnswers

  beforeEach(() => {
    items = names(3)
    version = 0
    reads = 0
    here = true
    failing = false
    const read = async (): Promise<ReadList<Named>> => {
      reads++
      if (failing) throw new Error('no')
      return { items, here }
    }
    const watch = () => {
      const then = version
      return () => version === then
    }
    answers = new NamesAnswers(read, watch, { isLocal: true })
    withUpstreams = new NamesAnswers(read, watch, { isLocal: false })
  })

  for (const count of [0, 1, 999, 1000, 1001, 2500]) {
    it(`the body of ${count} names is what JSON.stringify makes of them`, async () => {
      items = names(count)
      expect((await answers.get()).body.toString()).to.equal(JSON.stringify({ plugins: items }))
    })
  }

  it('requests at once and after each other share one answer, until the names change', async () => {
    const [first, second] = await Promise.all([answers.get(), answers.get()])
    expect(first).to.equal(second)
    expect(await answers.get()).to.equal(first)
    expect(reads).to.equal(1)
    items = names(4)
    version++
    expect((await answers.get()).body.toString()).to.include('nämé-3')
    expect(reads).to.equal(2)
  })

  it('a request that comes after a change does not share an answer that was begun before it', async () => {
    const before = answers.get()
    items = names(4)
    version++
    expect((await answers.get()).body.toString()).to.include('nämé-3')
    await before
    expect(reads).to.equal(2)
  })

  it('an answer that has names of upstreams is not kept, because they change without a change here', async () => {
    here = false
    await withUpstreams.get()
    await withUpstreams.get()
    expect(reads).to.equal(2)
  })

  it('an answer that failed is not kept', async () => {
    failing = true
    const failed = await answers.get().then(
      () => false,
      () => true,
    )
    failing = false
    expect(failed).to.equal(true)
    expect((await answers.get()).here).to.equal(true)
  })
})

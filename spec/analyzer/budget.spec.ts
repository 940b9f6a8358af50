import { expect } from 'chai'
import { WorkerAnalyzer } from '../../src/analyzer/pool.ts'
import { PluginError } from '../../src/plugin/error.ts'
import { examine } from '../../src/plugin/examine.ts'
import { COSTLY, SIZE } from '../support/hostile.ts'
import { COSTLY_FACTS } from '../support/hostile-facts.ts'
import { cheapestMs } from '../support/processor-time.ts'

/**
 * Milliseconds of the processor, which other programs on this machine add little to. The budget is 100; the machine
 * may be three times slower than the one that it was set for.
 */
const BUDGET = 300

/** MiB of the thread's heap, which has some 10 in it before a file comes. */
const HEAP = 64

describe('analyzer: the budget of 20 MiB', () => {
  let analyzer: WorkerAnalyzer

  before(() => {
    analyzer = new WorkerAnalyzer({ threads: 1, limits: { time: 20_000, memory: HEAP, start: 20_000 } })
  })

  after(() => analyzer.close())

  for (const [title, make] of Object.entries({ ...COSTLY, ...COSTLY_FACTS })) {
    it(title, async () => {
      const file = make()
      expect(file.length).to.be.at.most(SIZE)
      let here: string | undefined
      const work = () => {
        here = refusalOf(() => examine(file))
      }
      expect(cheapestMs(work, BUDGET), 'milliseconds').to.be.below(BUDGET)
      // In a thread that dies when it needs more.
      const kind = await analyzer.examine(file).then(
        () => undefined,
        (error: PluginError) => error.kind,
      )
      expect(kind).to.equal(here)
    })
  }
})

function refusalOf(work: () => unknown): string | undefined {
  try {
    work()
  } catch (error) {
    if (error instanceof PluginError) return error.kind
    throw error
  }
  return undefined
}

import { expect } from 'chai'
import { MAX_SIZE, mutate } from '../../conformance/fuzz/mutate.ts'
import { readSample, type Sample } from '../../conformance/fuzz/sample.ts'
import { trial } from '../../conformance/fuzz/trial.ts'
import { Random } from '../../conformance/support/random.ts'
import { PLUGIN_FILES, plugin } from '../support/plugins.ts'

const SEED = 20
const MUTANTS = 3000

// The first mutants of `npm run fuzz`, which makes millions.
describe('plugin: mutants', () => {
  let samples: Sample[]
  const into = Buffer.alloc(MAX_SIZE)
  const mutant = (number: number): Buffer => {
    const random = new Random(SEED, number)
    return mutate(random, samples, random.of(samples), into)
  }

  before(() => {
    samples = PLUGIN_FILES.map(file => readSample(plugin(file).path))
  })

  it('are made of the numbers that the parsers read', () => {
    for (const { path, bytes, fields } of samples) {
      expect(fields, path).to.have.length.above(50)
      for (const { at, width } of fields) expect(at + width, path).to.be.at.most(bytes.length)
    }
  })

  it('are the same each time', () => {
    const first = Buffer.from(mutant(7))
    mutant(8)
    expect(mutant(7).equals(first)).to.equal(true)
  })

  it('are taken or refused', () => {
    const kinds = new Map<string, number>()
    for (let number = 0; number < MUTANTS; number++) {
      const { kind, failure } = trial(mutant(number))
      // How long it takes is judged elsewhere: many specs may be running at this moment.
      if (!/^it takes \d+ ms$/.test(failure ?? '')) expect(failure, `mutant ${number}`).to.equal(undefined)
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    }
    // Neither all broken nor all as they were: they get past the headers.
    for (const kind of ['taken', 'not-found', 'not-executable', 'out-of-bounds', 'encoding'])
      expect(kinds.get(kind), kind).to.be.above(MUTANTS / 200)
  })
})

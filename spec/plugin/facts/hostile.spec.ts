import { expect } from 'chai'
import fc from 'fast-check'
import { OutOfBounds } from '../../../src/lib/bytes.ts'
import { PluginError } from '../../../src/plugin/error.ts'
import { examine } from '../../../src/plugin/examine.ts'
import { factsOf } from '../../../src/plugin/facts.ts'
import { COSTLY } from '../../support/hostile.ts'
import { COSTLY_FACTS } from '../../support/hostile-facts.ts'
import { busyBytes, mutantsOf } from '../../support/mutants.ts'
import { refusal } from '../../support/plugin-errors.ts'
import { type PluginFile, plugin } from '../../support/plugins.ts'
import { cheapestMs } from '../../support/processor-time.ts'

/** In milliseconds of the processor. The budget is 100; the machine that runs this may be five times slower. */
const BUDGET = 500
/** As JSON, which is a row of the index. */
const LARGEST = 256 * 1024

const SAMPLES: readonly PluginFile[] = [
  'libmemflow_facts-glibc.x86_64.so',
  'libmemflow_facts-musl.x86_64.so',
  'libmemflow_coredump-0.2.0.x86.so',
  'memflow_facts.x86_64.dll',
  'memflow_coredump-0.2.0.x86.dll',
  'libmemflow_facts.x86_64.dylib',
  'libmemflow_coredump-0.2.0.universal.dylib',
]

/** Whatever a plugin is, its facts are read; a file that is none may be refused, in the words of the parsers. */
function survive(file: Uint8Array): void {
  if (refusal(file) === undefined) factsOf(file)
  else {
    try {
      factsOf(file)
    } catch (error) {
      if (!(error instanceof PluginError) && !(error instanceof OutOfBounds)) throw error
    }
  }
}

describe('plugin/facts: hostile input', () => {
  describe('cut off anywhere is read or refused', () => {
    for (const file of SAMPLES) {
      it(file, () => {
        const { bytes } = plugin(file)
        const step = Math.ceil(bytes.length / 1000)
        for (let length = 0; length < bytes.length; length += step) survive(bytes.subarray(0, length))
      })
    }
  })

  describe('with any one byte wrong is read or refused', () => {
    for (const file of SAMPLES) {
      it(file, () => {
        const { bytes } = plugin(file)
        for (const at of busyBytes(bytes)) {
          const original = bytes[at] ?? 0
          for (const wrong of [0, 0xff, original ^ 0x80]) {
            if (wrong === original) continue
            bytes[at] = wrong
            survive(bytes)
          }
          bytes[at] = original
        }
      })
    }
  })

  it('with several numbers wrong is read or refused', () => {
    fc.assert(
      fc.property(mutantsOf(SAMPLES), file => survive(file)),
      { numRuns: 3000 },
    )
  })

  it('that has broken tables keeps its plugins', () => {
    const bytes = Buffer.from(plugin('libmemflow_facts-glibc.x86_64.so').bytes)
    const names = bytes.indexOf('libusb-1.0.so.0')
    bytes.write('\x1b[2J', names)
    const { descriptors, facts } = examine(bytes)
    expect(descriptors).to.have.length(1)
    expect(facts.images[0]).not.to.have.property('libraries')
    expect(facts.images[0]?.libc).to.deep.equal({ family: 'unknown' })
    expect(facts.images[0]?.problems).to.deep.equal([
      'the name of a needed library is empty, too long or not printable',
    ])
  })

  describe('20 MiB made to cost much are read within the budget, and leave little', () => {
    for (const [title, make] of Object.entries({ ...COSTLY, ...COSTLY_FACTS })) {
      it(title, () => {
        const file = make()
        let facts: unknown
        const work = () => {
          facts = attempt(() => factsOf(file))
        }
        expect(cheapestMs(work, BUDGET), 'milliseconds').to.be.below(BUDGET)
        expect(JSON.stringify(facts ?? '').length).to.be.below(LARGEST)
      })
    }
  })
})

function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (error instanceof PluginError) return undefined
    throw error
  }
}

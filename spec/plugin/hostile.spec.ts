import { expect } from 'chai'
import fc from 'fast-check'
import { COSTLY } from '../support/hostile.ts'
import { busyBytes, mutantsOf } from '../support/mutants.ts'
import { refusal } from '../support/plugin-errors.ts'
import { PLUGIN_FILES, type PluginFile, plugin } from '../support/plugins.ts'
import { cheapestMs } from '../support/processor-time.ts'

/** In milliseconds of the processor. The budget is 100; the machine that runs this may be five times slower. */
const BUDGET = 500

/** One file for each road through the parsers. */
const SAMPLES: readonly PluginFile[] = [
  'libmemflow_coredump-0.2.0.x86.so',
  'libmemflow_shape-sections-stripped.x86_64.so',
  'libmemflow_shape-sysv-hash.x86_64.so',
  'memflow_coredump-0.2.0.x86.dll',
  'memflow_pair-0.2.0.x86_64.dll',
  'libmemflow_shape-chained.x86_64.dylib',
  'libmemflow_coredump-0.2.0.x86_64.dylib',
  'libmemflow_coredump-0.2.0.universal.dylib',
]

// `refusal` lets everything but a PluginError through: what these specs assert is that nothing else comes.
describe('plugin: hostile input', () => {
  describe('cut off anywhere is taken or refused', () => {
    for (const file of PLUGIN_FILES) {
      it(file, () => {
        const { bytes } = plugin(file)
        const step = Math.ceil(bytes.length / 2000)
        for (let length = 0; length < bytes.length; length += step) refusal(bytes.subarray(0, length))
      })
    }
  })

  describe('with any one byte wrong is taken or refused', () => {
    for (const file of SAMPLES) {
      it(file, () => {
        const { bytes } = plugin(file)
        for (const at of busyBytes(bytes)) {
          const original = bytes[at] ?? 0
          for (const wrong of [0, 0xff, original ^ 0x80, original + 1]) {
            if (wrong === original) continue
            bytes[at] = wrong
            refusal(bytes)
          }
          bytes[at] = original
        }
      })
    }
  })

  it('with several numbers wrong is taken or refused', () => {
    fc.assert(
      fc.property(mutantsOf(SAMPLES), file => void refusal(file)),
      { numRuns: 3000 },
    )
  })

  it('of any bytes behind a known beginning is taken or refused', () => {
    const heads = [
      '7f454c46020101',
      '7f454c46010101',
      '4d5a',
      'cffaedfe',
      'cefaedfe',
      'cafebabe00000002',
      'cafebabf00000002',
    ]
    fc.assert(
      fc.property(fc.constantFrom(...heads), fc.uint8Array({ maxLength: 400 }), (head, tail) => {
        refusal(Buffer.concat([Buffer.from(head, 'hex'), tail]))
      }),
      { numRuns: 3000 },
    )
  })

  describe('20 MiB made to cost much are refused within the budget', () => {
    for (const [title, make] of Object.entries(COSTLY)) {
      it(title, () => {
        const file = make()
        let reason: string | undefined
        const work = () => {
          reason = refusal(file)?.reason
        }
        expect(cheapestMs(work, BUDGET), 'milliseconds').to.be.below(BUDGET)
        expect(reason).to.be.a('string')
      })
    }
  })
})

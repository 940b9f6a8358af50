import { Readable } from 'node:stream'
import { expect } from 'chai'
import fc from 'fast-check'
import { type Line, lines } from '../../src/lib/lines.ts'

describe('lines', () => {
  it('gives every ended line with where it ends, however the bytes come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: fc.constantFrom('a', 'ü', '\n', '€') }),
        fc.integer({ min: 1, max: 5 }),
        async (text, step) => {
          const bytes = Buffer.from(text)
          const chunks = Array.from({ length: Math.ceil(bytes.length / step) }, (_, i) =>
            bytes.subarray(i * step, (i + 1) * step),
          )
          const found: Line[] = []
          for await (const line of lines(Readable.from(chunks))) found.push(line)
          const whole = text.slice(0, text.lastIndexOf('\n') + 1)
          expect(found.map(line => `${line.text}\n`).join('')).to.equal(whole)
          expect(found.at(-1)?.end ?? 0).to.equal(Buffer.byteLength(whole))
        },
      ),
    )
  })
})

import { expect } from 'chai'
import { formatSize } from '../../src/lib/format-size.ts'

describe('lib/format-size', () => {
  for (const [bytes, text] of [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [2 ** 20, '1.0 MiB'],
    [5.25 * 2 ** 30, '5.3 GiB'],
    [2 ** 62, '4096.0 PiB'],
  ] as const) {
    it(`${bytes} -> ${text}`, () => expect(formatSize(bytes)).to.equal(text))
  }
})

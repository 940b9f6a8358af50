import { expect } from 'chai'
import { parseRetryAfter } from '../../src/remote/status.ts'

describe('remote/status', () => {
  for (const [header, expected] of [
    [undefined, undefined],
    ['0', 0],
    ['7', 7],
    ['86400', 900],
    ['99999999999999', 900],
    ['Wed, 21 Oct 2015 07:28:00 GMT', 0],
    ['Wed, 21 Oct 2965 07:28:00 GMT', 900],
    ['-1', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['Someday, maybe', undefined],
    ['', undefined],
  ] as const) {
    it(`Retry-After: ${header} means ${expected}`, () => {
      expect(parseRetryAfter(header)).to.equal(expected)
    })
  }

  it('a date of Retry-After is told in seconds from now', () => {
    const begun = Date.now()
    const header = new Date(begun + 600_000).toUTCString()
    const seconds = parseRetryAfter(header)
    // The header has whole seconds.
    expect(seconds).to.be.within(599 - Math.ceil((Date.now() - begun) / 1000), 600)
  })
})

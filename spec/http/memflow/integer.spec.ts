import { expect } from 'chai'
import { InvalidValue, parseInteger } from '../../../src/http/memflow/integer.ts'

const I32 = [-(2n ** 31n), 2n ** 31n - 1n] as const
const U64 = [0n, 2n ** 64n - 1n] as const

describe('http/memflow/integer', () => {
  for (const [text, value] of [
    ['0', 0n],
    ['1', 1n],
    ['+1', 1n],
    ['01', 1n],
    ['+0', 0n],
    ['000000000000000000000000000000', 0n],
    ['18446744073709551615', 18446744073709551615n],
  ] as const) {
    it(`${JSON.stringify(text)} of 64 bits -> ${value}`, () =>
      expect(parseInteger(text, ...U64)).to.equal(value))
  }

  for (const [text, value] of [
    ['-0', 0n],
    ['-1', -1n],
    ['-01', -1n],
    ['2147483647', 2147483647n],
    ['-2147483648', -2147483648n],
  ] as const) {
    it(`${JSON.stringify(text)} of 32 bits with a sign -> ${value}`, () =>
      expect(parseInteger(text, ...I32)).to.equal(value))
  }

  for (const [text, message] of [
    ['', 'cannot parse integer from empty string'],
    ['+', 'invalid digit found in string'],
    ['-', 'invalid digit found in string'],
    ['-0', 'invalid digit found in string'],
    ['-1', 'invalid digit found in string'],
    ['+-1', 'invalid digit found in string'],
    ['1_0', 'invalid digit found in string'],
    ['0x1', 'invalid digit found in string'],
    ['1.0', 'invalid digit found in string'],
    [' 1', 'invalid digit found in string'],
    ['1 ', 'invalid digit found in string'],
    ['²', 'invalid digit found in string'],
    ['٣', 'invalid digit found in string'],
    ['1\0', 'invalid digit found in string'],
    ['18446744073709551616', 'number too large to fit in target type'],
    // From left to right: it is too large before the letter comes.
    ['99999999999999999999x', 'number too large to fit in target type'],
    ['1844674407370955161x', 'invalid digit found in string'],
  ] as const) {
    it(`${JSON.stringify(text)} of 64 bits -> ${message}`, () => {
      expect(() => parseInteger(text, ...U64)).to.throw(InvalidValue, message)
    })
  }

  for (const [text, message] of [
    ['-', 'invalid digit found in string'],
    ['--1', 'invalid digit found in string'],
    ['-+1', 'invalid digit found in string'],
    ['2147483648', 'number too large to fit in target type'],
    ['-2147483649', 'number too small to fit in target type'],
    ['-99999999999x', 'number too small to fit in target type'],
  ] as const) {
    it(`${JSON.stringify(text)} of 32 bits with a sign -> ${message}`, () => {
      expect(() => parseInteger(text, ...I32)).to.throw(InvalidValue, message)
    })
  }

  it('a number of a million digits -> an answer at once', () => {
    expect(() => parseInteger('9'.repeat(1_000_000), ...U64)).to.throw(InvalidValue, 'too large')
  })
})

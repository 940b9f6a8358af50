import { expect } from 'chai'
import fc from 'fast-check'
import { Bytes } from '../../src/lib/bytes.ts'

function search(text: string, words: string[], max = Number.POSITIVE_INFINITY): number[] {
  return new Bytes(Buffer.from(text, 'latin1'), 'the file').search(words, max)
}

describe('lib/bytes: search', () => {
  it('finds each place of each word, in the order of the file', () => {
    expect(search('abcxbcdxabcd', ['abc', 'bcd'])).to.deep.equal([0, 4, 8, 9])
    expect(search('aaaa', ['aa'])).to.deep.equal([0, 1, 2])
  })

  it('finds none where there is none, or no room for one', () => {
    expect(search('', ['abc'])).to.deep.equal([])
    expect(search('ab', ['abc'])).to.deep.equal([])
    expect(search('xxabxx', ['abc'])).to.deep.equal([])
  })

  it('stops after as many as are asked for', () => {
    expect(search('aaaaaaaa', ['aa'], 3)).to.deep.equal([0, 1, 2])
  })

  it('finds what looking everywhere finds', () => {
    const letters = (length: object) => fc.string({ unit: fc.constantFrom('a', 'b', 'c'), ...length })
    const words = fc
      .integer({ min: 1, max: 4 })
      .chain(length =>
        fc.uniqueArray(letters({ minLength: length, maxLength: length }), { minLength: 1, maxLength: 4 }),
      )
    fc.assert(
      fc.property(letters({ maxLength: 60 }), words, (text, words) => {
        const places = [...text]
          .map((_, at) => at)
          .filter(at => words.some(word => text.startsWith(word, at)))
        expect(search(text, words)).to.deep.equal(places)
      }),
    )
  })
})

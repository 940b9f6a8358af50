import { expect } from 'chai'
import { globs } from '../../src/lib/glob.ts'

describe('lib/glob', () => {
  for (const [pattern, fits, fitsNot] of [
    ['library/*', ['library/a', 'library/'], ['library/a/b', 'library', 'xlibrary/a']],
    ['library/**', ['library/a', 'library/a/b'], ['library', 'other/a']],
    ['**', ['', 'a', 'a/b/c'], []],
    ['**/x', ['a/x', 'a/b/x'], ['x', 'a/xy']],
    ['a*c', ['ac', 'abc'], ['a/c', 'abcd']],
    ['a.b', ['a.b'], ['axb']],
    ['(a|b)+[c]?^$', ['(a|b)+[c]?^$'], ['a', 'b', 'ac']],
    ['', [''], ['a']],
  ] as const) {
    it(`${JSON.stringify(pattern)} -> ${fits.join(', ')}; not ${fitsNot.join(', ')}`, () => {
      const matches = globs([pattern])
      for (const text of fits) expect(matches(text), text).to.equal(true)
      for (const text of fitsNot) expect(matches(text), text).to.equal(false)
    })
  }

  it('several patterns -> one is enough, none fits nothing', () => {
    expect(['a', 'b', 'c'].filter(globs(['a', 'c']))).to.deep.equal(['a', 'c'])
    expect(globs([])('a')).to.equal(false)
  })
})

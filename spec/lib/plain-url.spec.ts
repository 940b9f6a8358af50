import { expect } from 'chai'
import { parsePlainUrl } from '../../src/lib/plain-url.ts'

describe('lib/plain-url', () => {
  it('http and https -> without slashes at the end', () => {
    expect(parsePlainUrl('https://a.example/')).to.equal('https://a.example')
    expect(parsePlainUrl('http://a.example:8080/x//')).to.equal('http://a.example:8080/x')
  })

  for (const text of [
    'a.example',
    'ftp://a',
    'https://a/?x=1',
    'https://a/#x',
    'https://u:p@a/',
    'https://:p@a/',
    '',
  ]) {
    it(`${JSON.stringify(text)} -> undefined`, () => {
      expect(parsePlainUrl(text)).to.equal(undefined)
    })
  }
})

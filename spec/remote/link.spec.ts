import { expect } from 'chai'
import { nextPage } from '../../src/remote/link.ts'
import { RemoteRequest } from '../../src/remote/request.ts'

describe('remote/link', () => {
  const request = new RemoteRequest('hub', 'GET', new URL('https://a.example/v2/x/tags/list?n=2'))
  const next = (header?: string) => nextPage(request, header)?.toString()

  for (const header of [
    '</v2/x/tags/list?n=2&last=b>; rel="next"',
    '<https://a.example/v2/x/tags/list?n=2&last=b>; rel=next',
    '<?n=2&last=b>;rel="next"',
    '<list?n=2&last=b>; title="a"; REL="Next"',
    '</elsewhere>; rel="prev", </v2/x/tags/list?n=2&last=b>; rel="last next"',
  ]) {
    it(`finds the next page in ${header}`, () => {
      expect(next(header)).to.equal('n=2&last=b')
    })
  }

  for (const header of [
    undefined,
    '',
    '</v2/x/tags/list?last=b>; rel="prev"',
    '</x>; rel="nextone"',
    'nonsense',
    '<',
  ]) {
    it(`finds none in ${header}`, () => {
      expect(next(header)).to.equal(undefined)
    })
  }

  for (const target of [
    'https://b.example/v2/x/tags/list?last=b',
    'http://a.example/v2/x/tags/list?last=b',
    '//b.example/v2/x/tags/list',
    '/v2/other/tags/list?last=b',
    'http://[',
  ]) {
    it(`refuses a link to ${target}`, () => {
      expect(() => next(`<${target}>; rel="next"`)).to.throw('its Link to the next page leads elsewhere')
    })
  }
})

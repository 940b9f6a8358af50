import { expect } from 'chai'
import { parseQuery } from '../../../src/http/memflow/query.ts'
import { serving } from '../../support/server.ts'

const DIGIT = 'invalid digit found in string'
const EMPTY = 'cannot parse integer from empty string'
const LARGE = 'number too large to fit in target type'
const SMALL = 'number too small to fit in target type'
const FILE_TYPES = 'expected one of `pe`, `elf`, `mach`'
const ARCHITECTURES = 'expected one of `unknown`, `x86`, `x86_64`, `arm`, `arm64`'

/** What the original answers, taken down from it. */
const REFUSED: Record<string, string> = {
  'limit=': `limit: ${EMPTY}`,
  limit: `limit: ${EMPTY}`,
  'limit=abc': `limit: ${DIGIT}`,
  'limit=-1': `limit: ${DIGIT}`,
  'limit=-0': `limit: ${DIGIT}`,
  'limit=+1': `limit: ${DIGIT}`,
  'limit=%201': `limit: ${DIGIT}`,
  'limit=1.0': `limit: ${DIGIT}`,
  'limit=0x1': `limit: ${DIGIT}`,
  'limit=1_0': `limit: ${DIGIT}`,
  'limit=1%00': `limit: ${DIGIT}`,
  'limit=%ff': `limit: ${DIGIT}`,
  'limit=%C2%B2': `limit: ${DIGIT}`,
  'limit=1;skip=2': `limit: ${DIGIT}`,
  '%6cimit=x': `limit: ${DIGIT}`,
  'limit=18446744073709551616': `limit: ${LARGE}`,
  'limit=99999999999999999999x': `limit: ${LARGE}`,
  'skip=': `skip: ${EMPTY}`,
  'skip=-': `skip: ${DIGIT}`,
  'skip=%2B': `skip: ${DIGIT}`,
  'skip=18446744073709551616': `skip: ${LARGE}`,
  'memflow_plugin_version=': `memflow_plugin_version: ${EMPTY}`,
  'memflow_plugin_version=-': `memflow_plugin_version: ${DIGIT}`,
  'memflow_plugin_version=--1': `memflow_plugin_version: ${DIGIT}`,
  'memflow_plugin_version=+1': `memflow_plugin_version: ${DIGIT}`,
  'memflow_plugin_version=2147483648': `memflow_plugin_version: ${LARGE}`,
  'memflow_plugin_version=-2147483649': `memflow_plugin_version: ${SMALL}`,
  'file_type=ELF': `file_type: unknown variant \`ELF\`, ${FILE_TYPES}`,
  'file_type=': `file_type: unknown variant \`\`, ${FILE_TYPES}`,
  'file_type=e%60f': `file_type: unknown variant \`e\`f\`, ${FILE_TYPES}`,
  'file_type=%F0%9F%98%80': `file_type: unknown variant \`😀\`, ${FILE_TYPES}`,
  'file_type=%ff': `file_type: unknown variant \`\ufffd\`, ${FILE_TYPES}`,
  'architecture=aarch64': `architecture: unknown variant \`aarch64\`, ${ARCHITECTURES}`,
  'architecture=X86': `architecture: unknown variant \`X86\`, ${ARCHITECTURES}`,
  'architecture=arm+64': `architecture: unknown variant \`arm 64\`, ${ARCHITECTURES}`,
  'architecture=': `architecture: unknown variant \`\`, ${ARCHITECTURES}`,
  'architecture=unknown': 'architecture.unknown: expected unit variant',
  'limit=1&limit=2': 'duplicate field `limit`',
  'skip=1&skip=1': 'duplicate field `skip`',
  'version=a&version=b': 'duplicate field `version`',
  'file_type=elf&file_type=pe': 'duplicate field `file_type`',
  'architecture=arm&architecture=arm': 'duplicate field `architecture`',
  'memflow_plugin_version=1&memflow_plugin_version=1': 'duplicate field `memflow_plugin_version`',
  // The first in the order of the query is what is complained of.
  'limit=x&skip=y': `limit: ${DIGIT}`,
  'skip=y&limit=x': `skip: ${DIGIT}`,
  'limit=x&limit=2': `limit: ${DIGIT}`,
  'limit=2&limit=x': 'duplicate field `limit`',
  'memflow_plugin_version=1&file_type=elf&limit=a&skip=-1': `limit: ${DIGIT}`,
}

/** What the original takes. */
const TAKEN: Record<string, string> = {
  '': '0',
  '&&': '0',
  '=': '0',
  'foo=1&foo=2': '0',
  'Limit=x': '0',
  'limit=0': '0',
  'limit=01': '0',
  'limit=%2B1': '0',
  'limit=51': '0',
  'limit=18446744073709551615': '0',
  'memflow_plugin_version=2147483647': '0',
  'memflow_plugin_version=-2147483648': '0',
  'memflow_plugin_version=-0': '0',
  'version=': '0',
  'version=%ff': '0',
  'version=%zz': '0',
  'skip=7': '7',
  'skip=%2B007': '7',
  // Beyond what a double holds: echoed to the last digit.
  'skip=9007199254740993': '9007199254740993',
  'skip=18446744073709551615': '18446744073709551615',
}

describe('http/memflow/query', () => {
  const registry = serving()

  for (const [query, reason] of Object.entries(REFUSED)) {
    it(`GET /plugins/x?${query} -> 400 ${reason}`, async () => {
      const { status, headers, text } = await registry().ask('GET', `/plugins/x?${query}`)
      expect(text).to.equal(`Failed to deserialize query string: ${reason}`)
      expect(status).to.equal(400)
      expect(headers['content-type']).to.equal('text/plain; charset=utf-8')
    })
  }

  for (const [query, skip] of Object.entries(TAKEN)) {
    it(`GET /plugins/x?${query} -> 200, skip ${skip}`, async () => {
      const { status, headers, text } = await registry().ask('GET', `/plugins/x?${query}`)
      expect(text).to.equal(`{"plugins":[],"skip":${skip}}`)
      expect(status).to.equal(200)
      expect(headers['content-type']).to.equal('application/json')
    })
  }

  it('GET /plugins -> the query is ignored', async () => {
    expect((await registry().ask('GET', '/plugins?limit=x')).text).to.equal('{"plugins":[]}')
  })

  describe('parseQuery', () => {
    it('no query -> no filter, skip 0, limit 5', () => {
      expect(parseQuery('')).to.deep.equal({ filter: {}, skip: 0n, limit: 5 })
    })

    it('all filters', () => {
      const query =
        'version=1.0%2B2&memflow_plugin_version=-5&file_type=mach&architecture=arm64&digest=ab&skip=1&limit=2'
      expect(parseQuery(query)).to.deep.equal({
        filter: { version: '1.0+2', abi: -5, fileType: 'mach', architecture: 'arm64', digest: 'ab' },
        skip: 1n,
        limit: 2,
      })
    })

    it('a limit above 50 -> 50', () => {
      expect(parseQuery('limit=50').limit).to.equal(50)
      expect(parseQuery('limit=51').limit).to.equal(50)
      expect(parseQuery('limit=18446744073709551615').limit).to.equal(50)
    })

    it('+ is a space', () => {
      expect(parseQuery('version=1.0+2').filter.version).to.equal('1.0 2')
    })

    it('digest and digest_short -> what both say, with or without sha256:', () => {
      const digest = (query: string) => parseQuery(query).filter.digest
      expect(digest('digest=sha256:abcdef0')).to.equal('abcdef0')
      expect(digest('digest_short=abcdef0')).to.equal('abcdef0')
      expect(digest('digest_short=abc&digest=abcdef0')).to.equal('abcdef0')
      expect(digest('digest=abcdef0&digest_short=abc')).to.equal('abcdef0')
      expect(digest('digest=abcdef0&digest_short=123')).to.equal('none')
      expect(digest('digest=')).to.equal('')
    })
  })
})

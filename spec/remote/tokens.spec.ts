import { lookup } from 'node:dns'
import { expect } from 'chai'
import { Backoff } from '../../src/remote/backoff.ts'
import { Http } from '../../src/remote/http.ts'
import { Tokens } from '../../src/remote/tokens.ts'
import { type FaultyUpstream, upstreams } from '../support/faulty-upstream.ts'
import { TokenAccess } from '../support/upstream/access.ts'
import { settingsFor } from '../support/upstream/asking.ts'

describe('remote/tokens', () => {
  const start = upstreams()
  let upstream: FaultyUpstream
  let http: Http
  let tokens: Tokens

  beforeEach(async () => {
    upstream = await start({ access: new TokenAccess() })
    http = new Http(settingsFor(upstream.url), lookup)
    tokens = new Tokens('hub', http, new Backoff('hub', () => 0), 5000, () => 0)
  })

  afterEach(() => http.close())

  const get = (scope: string, refused?: string) =>
    tokens.get(
      { realm: new URL(`${upstream.url}/token`), service: undefined, scope, authorization: undefined },
      refused,
    )

  it('one that many find refused at the same moment is replaced once', async () => {
    const refused = await get('a')
    const replaced = await Promise.all(Array.from({ length: 5 }, () => get('a', refused)))
    expect(new Set(replaced).size).to.equal(1)
    expect(replaced).not.to.include(refused)
    expect(upstream.count('token')).to.equal(2)
  })

  it('those that are oldest are forgotten where there are very many', async () => {
    for (let scope = 0; scope <= 1000; scope++) await get(`${scope}`)
    expect(upstream.count('token')).to.equal(1001)
    await get('1')
    expect(upstream.count('token')).to.equal(1001)
    await get('0')
    expect(upstream.count('token')).to.equal(1002)
  })
})

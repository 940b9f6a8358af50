import { expect } from 'chai'
import { parseChallenges } from '../../src/remote/challenge.ts'
import { cheapestMs } from '../support/processor-time.ts'

const parsed = (header: string) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)])

describe('remote/challenge', () => {
  it('reads what Docker Hub sends', () => {
    const header =
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"'
    expect(parsed(header)).to.deep.equal([
      [
        'bearer',
        {
          realm: 'https://auth.docker.io/token',
          service: 'registry.docker.io',
          scope: 'repository:a/b:pull,push',
        },
      ],
    ])
  })

  it('reads several challenges in one header', () => {
    expect(parsed('Negotiate, Basic realm="a, b", charset=UTF-8 , Bearer realm=x,service=y')).to.deep.equal([
      ['negotiate', {}],
      ['basic', { realm: 'a, b', charset: 'UTF-8' }],
      ['bearer', { realm: 'x', service: 'y' }],
    ])
  })

  for (const [header, expected] of [
    ['', []],
    ['Basic', [['basic', {}]]],
    ['bearer REALM = "x"', [['bearer', { realm: 'x' }]]],
    [
      'NTLM TlRMTVNTUAAB==, Basic realm=x',
      [
        ['ntlm', {}],
        ['basic', { realm: 'x' }],
      ],
    ],
    ['Bearer realm="a\\"b\\\\c"', [['bearer', { realm: 'a"b\\c' }]]],
    ['Bearer realm=""', [['bearer', { realm: '' }]]],
    [',, Bearer realm=x,,service=y,', [['bearer', { realm: 'x', service: 'y' }]]],
    ['Bearer realm="not closed', [['bearer', {}]]],
    ['Bearer realm="x" "y", Basic', [['bearer', { realm: 'x' }]]],
    ['realm="x"', []],
    ['"Bearer"', []],
  ] as const) {
    it(`reads ${JSON.stringify(header)}`, () => {
      expect(parsed(header)).to.deep.equal(expected)
    })
  }

  it('takes no longer for what is malformed', () => {
    for (const part of ['a', ', ', 'a=', '"', '\\', 'a ', '=', 'a="\\']) {
      const work = () => parseChallenges(`Bearer ${part.repeat(32 * 1024)}"`)
      expect(cheapestMs(work, 1000), part).to.be.below(1000)
    }
  })
})

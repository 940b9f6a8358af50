import { expect } from 'chai'
import { covers, formatScope, parseScopes, readOnly } from '../../src/http/grant.ts'

describe('http/grant', () => {
  for (const [scopes, expected] of [
    [['repository:a:pull'], ['repository:a:pull']],
    [['repository:a/b:pull,push'], ['repository:a/b:pull,push']],
    [['repository:a:pull repository:b:push'], ['repository:a:pull', 'repository:b:push']],
    [
      ['repository:a:pull', 'registry:catalog:*'],
      ['repository:a:pull', 'registry:catalog:*'],
    ],
    [['repository(plugin):a:pull'], ['repository(plugin):a:pull']],
    [['repository:host:5000/a:pull'], ['repository:host:5000/a:pull']],
    [['', 'x', ':', '::', 'repository:a', 'repository::pull', 'repository:a:', 'REPOSITORY:a:pull'], []],
    [[`repository:${'a'.repeat(301)}:pull`], []],
    [[], []],
  ] as const) {
    it(`${JSON.stringify(scopes).slice(0, 80)} -> ${expected.join(' and ') || 'nothing'}`, () => {
      expect(parseScopes(scopes).map(formatScope)).to.deep.equal(expected)
    })
  }

  it('readOnly -> the pulling alone', () => {
    const grants = parseScopes(['repository:a:pull,push', 'repository:b:push', 'registry:catalog:*'])
    expect(readOnly(grants).map(formatScope)).to.deep.equal(['repository:a:pull'])
  })

  it('covers -> every action, of that repository, from whatever grants', () => {
    const may = (grants: string, needed: string) => {
      const [grant] = parseScopes([needed])
      return grant !== undefined && covers(parseScopes([grants]), grant)
    }
    expect(may('repository:a:pull,push', 'repository:a:push')).to.equal(true)
    expect(may('repository:a:pull repository:a:push', 'repository:a:pull,push')).to.equal(true)
    expect(may('repository:a:*', 'repository:a:delete')).to.equal(true)
    expect(may('repository:a:pull', 'repository:a:pull,push')).to.equal(false)
    expect(may('repository:a:*', 'repository:b:pull')).to.equal(false)
    expect(may('registry:a:*', 'repository:a:pull')).to.equal(false)
    expect(may('', 'repository:a:pull')).to.equal(false)
  })
})

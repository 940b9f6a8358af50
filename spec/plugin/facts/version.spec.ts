import { expect } from 'chai'
import { compareVersions } from '../../../src/plugin/facts/version.ts'

describe('plugin/facts/version', () => {
  const ascending = ['1', '1.2', '2.2.5', '2.9', '2.31', '2.31.1', '10.0']

  it('orders numbers as numbers', () => {
    expect(ascending.toReversed().sort(compareVersions)).to.deep.equal(ascending)
  })

  it('takes what is missing for 0, and passes over what is behind a hyphen', () => {
    expect(compareVersions('2.34', '2.34.0')).to.equal(0)
    expect(compareVersions('0.2.0-beta7', '0.2.0')).to.equal(0)
    expect(compareVersions('0.2.0-beta7', '0.1.9')).to.be.above(0)
  })
})

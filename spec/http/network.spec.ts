import { expect } from 'chai'
import { networkOf } from '../../src/http/network.ts'

describe('http/network', () => {
  for (const [address, network] of [
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::9', '2001:db8:1:2'],
    ['2001:db8::9', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['', '0:0:0:0'],
  ] as const) {
    it(`${address} counts as ${network}`, () => {
      expect(networkOf(address)).to.equal(network)
    })
  }
})

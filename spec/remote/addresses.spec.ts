import { expect } from 'chai'
import { isPublicAddress } from '../../src/remote/addresses.ts'

describe('remote/addresses', () => {
  for (const address of [
    '1.1.1.1',
    '93.184.215.14',
    '172.15.255.255',
    '172.32.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '198.17.0.1',
    '223.255.255.255',
    '2606:4700::1111',
    '2a00:1450:4001::8b',
  ]) {
    it(`${address} is public`, () => {
      expect(isPublicAddress(address)).to.equal(true)
    })
  }

  for (const [what, addresses] of Object.entries({
    loopback: ['127.0.0.1', '127.255.255.254', '::1'],
    unspecified: ['0.0.0.0', '0.1.2.3', '::'],
    private: ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', 'fc00::1', 'fdff::1'],
    'link-local': ['169.254.0.1', 'fe80::1', 'febf::1', 'fe80::1%eth0'],
    'a metadata service': [
      '169.254.169.254',
      'fd00:ec2::254',
      '100.100.100.200',
      '192.0.0.192',
      '168.63.129.16',
    ],
    'shared by a carrier': ['100.64.0.1', '100.127.255.255'],
    multicast: ['224.0.0.1', '239.255.255.255', 'ff02::1'],
    reserved: ['240.0.0.1', '255.255.255.255', '198.18.0.1', '198.19.255.255', '192.88.99.1'],
    'for documents': ['192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1', '3fff::1'],
    'IPv4 in IPv6': ['::ffff:1.1.1.1', '::ffff:7f00:1', '::ffff:0:1.1.1.1', '::1.1.1.1'],
    NAT64: ['64:ff9b::1.1.1.1', '64:ff9b::7f00:1', '64:ff9b:1::1'],
    '6to4 or Teredo': ['2002:7f00:1::', '2001::1'],
    'site-local of old': ['fec0::1'],
    'no address': ['', 'localhost', '127.1', '2130706433', '0x7f.0.0.1', '[::1]', '1.1.1.1:80'],
  })) {
    for (const address of addresses) {
      it(`"${address}" is ${what}, not public`, () => {
        expect(isPublicAddress(address)).to.equal(false)
      })
    }
  }
})

import { expect } from 'chai'
import { ClientRates } from '../../../src/core/mirror/client-rates.ts'
import { RegistryError } from '../../../src/oci/errors.ts'

describe('core/mirror/client-rates', () => {
  let now: number
  let rates: ClientRates

  beforeEach(() => {
    now = 1_000_000
    rates = new ClientRates(60, () => now)
  })

  /** Undefined if the client is admitted, else the seconds that it is told to wait. */
  function refusal(address: string | undefined): string | undefined {
    try {
      rates.admit(address)
      return undefined
    } catch (error) {
      expect(error).to.be.instanceOf(RegistryError).and.to.include({ error: 'TOOMANYREQUESTS', status: 429 })
      return (error as RegistryError).headers['Retry-After']
    }
  }

  it('admit a client until it has used up what it has for a minute, and again as that comes back', () => {
    for (let i = 0; i < 60; i++) {
      expect(refusal('192.0.2.1')).to.equal(undefined)
      rates.charge('192.0.2.1', 1)
    }
    expect(refusal('192.0.2.1')).to.equal('1')
    now += 1000
    expect(refusal('192.0.2.1')).to.equal(undefined)
    rates.charge('192.0.2.1', 10)
    expect(refusal('192.0.2.1')).to.equal('10')
    now += 3_600_000
    for (let i = 0; i < 60; i++) rates.charge('192.0.2.1', 1)
    expect(refusal('192.0.2.1')).to.equal('1')
  })

  it('let no client wait longer than two minutes, and no other one wait', () => {
    for (let i = 0; i < 1000; i++) rates.charge('192.0.2.1', 10)
    expect(refusal('192.0.2.1')).to.equal('61')
    expect(refusal('192.0.2.2')).to.equal(undefined)
    expect(refusal(undefined)).to.equal(undefined)
  })

  for (const [one, other, same] of [
    ['::ffff:192.0.2.1', '192.0.2.1', true],
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff::2', true],
    ['2001:db8::1', '2001:db8:0:0:1::', true],
    ['fe80::1%eth0', 'fe80::2%eth0', true],
    ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
    ['::1', '1::', false],
  ] as const) {
    it(`take ${one} and ${other} for ${same ? 'one client' : 'two clients'}`, () => {
      rates.charge(one, 100)
      expect(refusal(other) !== undefined).to.equal(same)
    })
  }

  it('remember ten thousand clients', () => {
    rates.charge('192.0.2.1', 100)
    for (let i = 0; i < 9999; i++) rates.charge(`10.0.${i >> 8}.${i & 255}`, 100)
    expect(refusal('192.0.2.1')).not.to.equal(undefined)
    rates.charge('10.1.0.0', 1)
    expect(refusal('192.0.2.1')).to.equal(undefined)
  })

  it('without a limit -> admit all', () => {
    rates = new ClientRates(Number.POSITIVE_INFINITY)
    rates.charge('192.0.2.1', 1e9)
    expect(refusal('192.0.2.1')).to.equal(undefined)
  })
})

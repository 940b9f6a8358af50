import { createPublicKey, verify } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import { digestOf } from '../../src/oci/digest.ts'
import { decode, encode, ORDER } from '../../src/signature/der.ts'
import { type Key, keysOf } from '../../src/signature/keys.ts'
import { Verifier } from '../../src/signature/verifier.ts'
import { OpenSSL } from './openssl.ts'

const FILE = Buffer.from('a plugin, as far as a signature can tell')
const digest = digestOf(FILE)

/** The same signature with n - s for s: as good to openssl, refused by memflowup when that is high. */
const flip = (signature: string) => {
  const { r, s } = decode(Buffer.from(signature, 'hex')) ?? expect.fail('openssl wrote what we cannot read')
  return encode({ r, s: ORDER - s }).toString('hex')
}

const isLow = (signature: string) => (decode(Buffer.from(signature, 'hex'))?.s ?? ORDER) <= ORDER / 2n

describe('signature/verifier', () => {
  let openssl: OpenSSL
  let pem: string
  let one: Key
  let two: Key
  let low: string
  let high: string

  before(async () => {
    openssl = await OpenSSL.open()
    pem = await openssl.keyPair('one')
    ;[one, two] = keysOf(pem + (await openssl.keyPair('two')), 'test') as [Key, Key]
    await openssl.write('file', FILE)
    const signature = await openssl.sign('one', 'file')
    ;[low, high] = isLow(signature) ? [signature, flip(signature)] : [flip(signature), signature]
  })

  after(() => openssl.close())

  it('accepts what openssl signs, and answers what openssl and memflowup accept', async () => {
    const seen = new Set<boolean>()
    for (let round = 0; round < 64 && seen.size < 2; round++) {
      const signature = await openssl.sign('one', 'file')
      seen.add(isLow(signature))
      const verdict = new Verifier([one]).verify(digest, signature)
      expect(verdict?.key).to.equal(one)
      expect(isLow(verdict?.signature ?? '')).to.equal(true)
      expect(await openssl.accepts('one', 'file', verdict?.signature ?? '')).to.equal(true)
    }
    expect(seen, 'both a low and a high s came').to.have.length(2)
  })

  it('answers a low-S signature as it was sent', () => {
    const verifier = new Verifier([one])
    for (const sent of [low, low.toUpperCase()]) {
      expect(verifier.verify(digest, sent)).to.deep.equal({ signature: sent, key: one })
    }
  })

  it('answers a high-S signature in its low-S form', () => {
    const verifier = new Verifier([one])
    for (const sent of [high, high.toUpperCase()]) {
      expect(verifier.verify(digest, sent)).to.deep.equal({ signature: low, key: one })
    }
  })

  it('says which of several keys it was', async () => {
    const verifier = new Verifier([one, two])
    expect(verifier.verify(digest, low)?.key).to.equal(one)
    expect(verifier.verify(digest, await openssl.sign('two', 'file'))?.key).to.equal(two)
  })

  it('refuses the signature of another key, of another file, and what is no signature', () => {
    expect(new Verifier([two]).verify(digest, low)).to.equal(undefined)
    expect(new Verifier([one]).verify(digestOf('another file'), low)).to.equal(undefined)
    for (const text of ['', 'garbage', `${low}00`, ` ${low}`, low.slice(2)]) {
      expect(new Verifier([one, two]).verify(digest, text)).to.equal(undefined)
    }
  })

  it('refuses to take another hash for the SHA-256', () => {
    expect(() => new Verifier([one]).verify(digestOf(FILE, 'sha512'), low)).to.throw(TypeError, 'SHA-256')
  })

  it('without keys keeps every text, a signature in its low-S form', () => {
    const verifier = new Verifier([])
    const stored = (text: string) => verifier.verify(digest, text)
    expect(verifier.configured).to.equal(false)
    expect(stored(low.toUpperCase())).to.deep.equal({ signature: low.toUpperCase(), key: undefined })
    expect(stored(high)).to.deep.equal({ signature: low, key: undefined })
    expect(stored('garbage')).to.deep.equal({ signature: 'garbage', key: undefined })
  })

  it('takes keys of upstreams for what they have signed, and asks nothing of others for them', () => {
    const open = new Verifier([], [one])
    expect(open.configured).to.equal(false)
    expect(open.verify(digest, high)).to.deep.equal({ signature: low, key: one })
    expect(open.verify(digestOf('another file'), low)).to.deep.equal({ signature: low, key: undefined })
    const strict = new Verifier([two], [one])
    expect(strict.configured).to.equal(true)
    expect(strict.verify(digest, low)).to.deep.equal({ signature: low, key: one })
    expect(strict.verify(digestOf('another file'), low)).to.equal(undefined)
  })

  it('is configured with keys', () => expect(new Verifier([one]).configured).to.equal(true))

  it('agrees with OpenSSL on signatures with a byte changed, put in or taken out', () => {
    const verifier = new Verifier([one])
    const key = createPublicKey(pem)
    const change = fc.record({ at: fc.nat(71), out: fc.nat(1), put: fc.array(fc.nat(255), { maxLength: 2 }) })
    fc.assert(
      fc.property(fc.boolean(), change, (isHigh, { at, out, put }) => {
        const bytes = [...Buffer.from(isHigh ? high : low, 'hex')]
        bytes.splice(at, out, ...put)
        const signature = Buffer.from(bytes)
        const ours = verifier.verify(digest, signature.toString('hex')) !== undefined
        expect(ours).to.equal(verify('sha256', FILE, key, signature))
      }),
      { numRuns: 300 },
    )
  })
})

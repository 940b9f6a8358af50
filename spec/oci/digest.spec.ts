import { createHash } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import {
  algorithmOf,
  digestOf,
  Hasher,
  hexOf,
  isDigest,
  parseAlgorithm,
  parseDigest,
} from '../../src/oci/digest.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { cheapestMs } from '../support/processor-time.ts'

const A = 'a'.repeat(64)
/** FIPS 180-2, B.1 and C.1. */
const ABC = 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
const ABC_512 =
  'sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f'

describe('oci/digest', () => {
  for (const text of [ABC, ABC_512, `sha256:${A}`, `sha512:${A}${A}`]) {
    it(`takes ${text.slice(0, 20)}…`, () => {
      expect(parseDigest(text)).to.equal(text)
      expect(isDigest(text)).to.equal(true)
    })
  }

  for (const [what, text] of Object.entries({
    'no text': '',
    'hex alone': A,
    'no hex': 'sha256:',
    'a digit too few': `sha256:${A.slice(1)}`,
    'a digit too many': `sha256:${A}a`,
    'upper-case hex': `sha256:${A.toUpperCase()}`,
    'an upper-case algorithm': `SHA256:${A}`,
    'what is not hex': `sha256:${A.slice(1)}g`,
    'a sha512 of the length of a sha256': `sha512:${A}`,
    'a sha256 of the length of a sha512': `sha256:${A}${A}`,
    'an algorithm that is not registered here': `md5:${A.slice(32)}`,
    'the name of a member of every object': `constructor:${A}`,
    'a line end behind it': `sha256:${A}\n`,
    'a space before it': ` sha256:${A}`,
    'a path': `sha256:../${A.slice(3)}`,
    'full-width digits': `sha256:${'１'.repeat(64)}`,
  })) {
    it(`refuses ${what}`, () => {
      expect(isDigest(text)).to.equal(false)
      expect(() => parseDigest(text))
        .to.throw(RegistryError, 'a digest is sha256: and 64')
        .with.property('code', 'DIGEST_INVALID')
    })
  }

  it('shows no more than 200 characters of what it refuses', () => {
    expect(() => parseDigest('x'.repeat(10_000)))
      .to.throw()
      .with.nested.property('detail.digest', 'x'.repeat(200))
  })

  it('refuses a long text in no time', () => {
    const work = () => expect(isDigest(`sha256:${'a'.repeat(5_000_000)}`)).to.equal(false)
    expect(cheapestMs(work, 500)).to.be.below(500)
  })

  it('knows the two algorithms by name, and nothing else', () => {
    expect(parseAlgorithm('sha256')).to.equal('sha256')
    expect(parseAlgorithm('sha512')).to.equal('sha512')
    for (const text of ['', 'sha384', 'SHA256', 'toString', '__proto__', 'sha256 ']) {
      expect(parseAlgorithm(text), text).to.equal(undefined)
    }
  })

  it('takes a digest apart', () => {
    expect(algorithmOf(parseDigest(ABC))).to.equal('sha256')
    expect(algorithmOf(parseDigest(ABC_512))).to.equal('sha512')
    expect(hexOf(parseDigest(ABC))).to.equal(ABC.slice(7))
    expect(hexOf(parseDigest(ABC_512))).to.equal(ABC_512.slice(7))
  })

  it('hashes what is at hand', () => {
    expect(digestOf('abc')).to.equal(ABC)
    expect(digestOf(Buffer.from('abc'), 'sha512')).to.equal(ABC_512)
  })

  describe('Hasher', () => {
    it('takes sha256 where nothing is said', () => {
      expect(new Hasher().algorithm).to.equal('sha256')
      expect(new Hasher().digest()).to.equal(digestOf(''))
    })

    it('answers meanwhile without an end to the hashing', () => {
      const hasher = new Hasher('sha512').update(Buffer.from('ab'))
      expect(hasher.digest()).to.equal(digestOf('ab', 'sha512'))
      expect(hasher.digest()).to.equal(digestOf('ab', 'sha512'))
      expect(hasher.update(Buffer.from('c')).digest()).to.equal(ABC_512)
    })

    it('agrees with node:crypto however the bytes are cut', () => {
      fc.assert(
        fc.property(
          fc.array(fc.uint8Array({ maxLength: 200 })),
          fc.constantFrom('sha256', 'sha512'),
          (chunks, a) => {
            const hasher = new Hasher(a)
            for (const chunk of chunks) hasher.update(chunk)
            const digest = hasher.digest()
            expect(digest).to.equal(`${a}:${createHash(a).update(Buffer.concat(chunks)).digest('hex')}`)
            expect(isDigest(digest)).to.equal(true)
          },
        ),
      )
    })
  })
})

import { createPublicKey, verify } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import { digestOf } from '../../src/oci/digest.ts'
import { decode, ORDER } from '../../src/signature/der.ts'
import { keysOf } from '../../src/signature/keys.ts'
import { Verifier } from '../../src/signature/verifier.ts'

const VECTORS = new URL('../../../shared/vectors/ecdsa_secp256k1_sha256_test.json', import.meta.url)

interface Suite {
  numberOfTests: number
  testGroups: {
    publicKeyPem: string
    tests: { tcId: number; comment: string; msg: string; sig: string; result: 'valid' | 'invalid' }[]
  }[]
}

/** Project Wycheproof, ECDSA with secp256k1 and SHA-256; high s is valid there as it is here. */
describe('signature/wycheproof', () => {
  if (!existsSync(VECTORS)) {
    it('gives the right verdict on every vector (pending: no ../shared/vectors beside the project)')
    return
  }

  const { numberOfTests, testGroups }: Suite = JSON.parse(readFileSync(VECTORS, 'utf8'))
  const vectors = testGroups.flatMap(({ publicKeyPem, tests }) => {
    const verifier = new Verifier(keysOf(publicKeyPem, 'wycheproof'))
    const openssl = createPublicKey(publicKeyPem)
    return tests.map(test => {
      const message = Buffer.from(test.msg, 'hex')
      return { ...test, message, openssl, verdict: verifier.verify(digestOf(message), test.sig) }
    })
  })

  it(`gives the right verdict on all ${numberOfTests} vectors`, () => {
    expect(vectors).to.have.length(numberOfTests)
    const wrong = vectors.filter(({ verdict, result }) => (verdict ? 'valid' : 'invalid') !== result)
    expect(wrong.map(({ tcId, comment }) => `${tcId}: ${comment}`)).to.deep.equal([])
  })

  const valid = vectors.filter(({ result }) => result === 'valid')
  it(`stores the ${valid.length} valid ones with a low s, still valid to OpenSSL`, () => {
    for (const { tcId, message, openssl, verdict } of valid) {
      const stored = Buffer.from(verdict?.signature ?? '', 'hex')
      expect((decode(stored)?.s ?? ORDER) <= ORDER / 2n, `${tcId}`).to.equal(true)
      expect(verify('sha256', message, openssl, stored), `${tcId}`).to.equal(true)
    }
  })
})

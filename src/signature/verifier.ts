import { Signature as Compact, verify } from '@noble/secp256k1'
import { algorithmOf, type Digest, hexOf } from '../oci/digest.ts'
import type { Key } from './keys.ts'
import { parseSignature } from './signature.ts'

/** What a signature that may be stored is worth. */
export interface Verdict {
  /** The form to store and to serve. */
  readonly signature: string
  /** The key that it is valid under; undefined where no keys are configured. */
  readonly key: Key | undefined
}

/** Checks plugin signatures, ECDSA over the SHA-256 of the file (SEC 1, 4.1.4), against the configured keys. */
export class Verifier {
  readonly #keys: readonly Key[]

  constructor(keys: readonly Key[]) {
    this.#keys = keys
  }

  /** Whether there are keys, and so a verdict on what is signed. */
  get configured(): boolean {
    return this.#keys.length > 0
  }

  /**
   * The verdict on the file of that SHA-256 and its signature in hex, or undefined where it must be refused.
   * Without keys nothing is refused: a text that is no signature is then kept as it is.
   */
  verify(file: Digest, signature: string): Verdict | undefined {
    const parsed = parseSignature(signature)
    if (!this.configured) return { signature: parsed?.hex ?? signature, key: undefined }
    const key = parsed && this.#keyOf(sha256Of(file), new Compact(parsed.r, parsed.s).toBytes())
    return key && { signature: parsed.hex, key }
  }

  /** `lowS`: what is verified is what is stored, by the rules of the clients that will verify it again. */
  #keyOf(hash: Uint8Array, signature: Uint8Array): Key | undefined {
    return this.#keys.find(({ point }) => verify(signature, hash, point, { lowS: true, prehash: false }))
  }
}

/** A longer hash would be cut to 32 bytes in silence, and verify nothing that a client would. */
function sha256Of(file: Digest): Uint8Array {
  if (algorithmOf(file) !== 'sha256') throw new TypeError(`a signature is over the SHA-256, not over ${file}`)
  return Buffer.from(hexOf(file), 'hex')
}

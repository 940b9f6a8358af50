import { Signature as Compact, verify } from '@noble/secp256k1'
import { algorithmOf, type Digest, hexOf } from '../oci/digest.ts'
import type { Key } from './keys.ts'
import { parseSignature } from './signature.ts'

/** What a signature that may be stored is worth. */
export interface Verdict {
  /** The form to store and to serve. */
  readonly signature: string
  /** The key that it is valid under; undefined only where none is asked for. */
  readonly key: Key | undefined
}

/** Checks plugin signatures, ECDSA over the SHA-256 of the file (SEC 1, 4.1.4), against the configured keys. */
export class Verifier {
  #configured = false
  #keys: readonly Key[] = []

  /** `upstreams`: keys of others, who vouch for what they have signed as well. */
  constructor(keys: readonly Key[], upstreams: readonly Key[] = []) {
    this.use(keys, upstreams)
  }

  /** Whether there are keys that what is pushed has to be signed by. */
  get configured(): boolean {
    return this.#configured
  }

  /** Takes other keys from now on. What was listed by the ones before stays until the index is made anew. */
  use(keys: readonly Key[], upstreams: readonly Key[] = []): void {
    this.#configured = keys.length > 0
    this.#keys = [...keys, ...upstreams]
  }

  /**
   * The verdict on the file of that SHA-256 and its signature in hex, or undefined where it must be refused.
   * Where nothing has to be signed, nothing is refused: a text that is no signature is then kept as it is.
   */
  verify(file: Digest, signature: string): Verdict | undefined {
    const parsed = parseSignature(signature)
    const key =
      parsed &&
      this.#keys.length > 0 &&
      this.#keyOf(sha256Of(file), new Compact(parsed.r, parsed.s).toBytes())
    if (key) return { signature: parsed.hex, key }
    return this.#configured ? undefined : { signature: this.normal(signature), key: undefined }
  }

  /** A signature in the form to store and to serve, whoever made it; a text that is none as it is. */
  normal(signature: string): string {
    return parseSignature(signature)?.hex ?? signature
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

import { createHash, type Hash, hash } from 'node:crypto'
import { RegistryError } from './errors.ts'

/** The algorithms this registry accepts, image-spec descriptor.md#registered-algorithms, with their hex lengths. */
const HEX_LENGTH = { sha256: 64, sha512: 128 } as const

export type Algorithm = keyof typeof HEX_LENGTH

/** `algorithm:hex` that has passed `parseDigest` or came out of a `Hasher`; no other code makes one. */
export type Digest = `${Algorithm}:${string}` & { readonly __digest: true }

const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

export function isDigest(text: string): text is Digest {
  return DIGEST.test(text)
}

/** The digest that the text spells. Throws `DIGEST_INVALID`: image-spec descriptor.md#digests allows lower-case hex only. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text
  throw new RegistryError('DIGEST_INVALID', {
    message: 'a digest is sha256: and 64, or sha512: and 128 lower-case hex digits',
    detail: { digest: text.slice(0, 200) },
  })
}

/** The algorithm of that name, or undefined where this registry does not know it. */
export function parseAlgorithm(text: string): Algorithm | undefined {
  return Object.hasOwn(HEX_LENGTH, text) ? (text as Algorithm) : undefined
}

export function algorithmOf(digest: Digest): Algorithm {
  return digest.startsWith('sha256:') ? 'sha256' : 'sha512'
}

/**
 * What users copy from other outputs, with its algorithm: a whole digest, or 7 or more of the hex digits of a SHA-256
 * one, with or without `sha256:`. Undefined if it is neither.
 */
export function parseAbbreviated(text: string): string | undefined {
  if (isDigest(text)) return text
  const [, digits] = /^(?:sha256:)?([0-9a-f]{7,64})$/.exec(text) ?? []
  return digits && `sha256:${digits}`
}

/** The hex digits behind the colon. */
export function hexOf(digest: Digest): string {
  return digest.slice(7)
}

/** A running hash that ends in a `Digest`; `digest()` may be asked more than once while bytes still come. */
export class Hasher {
  readonly algorithm: Algorithm
  readonly #hash: Hash

  constructor(algorithm: Algorithm = 'sha256') {
    this.algorithm = algorithm
    this.#hash = createHash(algorithm)
  }

  update(bytes: Uint8Array): this {
    this.#hash.update(bytes)
    return this
  }

  digest(): Digest {
    return `${this.algorithm}:${this.#hash.copy().digest('hex')}` as Digest
  }
}

/** The digest of bytes that are at hand whole. */
export function digestOf(bytes: Uint8Array | string, algorithm: Algorithm = 'sha256'): Digest {
  return `${algorithm}:${hash(algorithm, bytes)}` as Digest
}

import { decode, encode, ORDER } from './der.ts'

/** An ECDSA signature whose s is at most n / 2, the only form that memflowup accepts. */
export interface Signature {
  readonly r: bigint
  readonly s: bigint
  /** Its DER in hex: the form to store and to serve. */
  readonly hex: string
}

/** From 8 bytes, where r and s have one each, to 72, where they have 33. */
const HEX = /^(?:[0-9a-f]{2}){8,72}$/i

/**
 * The signature that the text spells: hex in either case of strict DER, nothing around it; else undefined.
 * A low-S signature keeps its text. A high-S one, which OpenSSL writes half of the time, becomes
 * the low-S one that is valid for the same keys and files: (r, n - s), as (r, s) and (r, -s mod n) verify alike.
 */
export function parseSignature(text: string): Signature | undefined {
  const value = HEX.test(text) ? decode(Buffer.from(text, 'hex')) : undefined
  if (!value) return undefined
  if (value.s <= ORDER / 2n) return { ...value, hex: text }
  const low = { r: value.r, s: ORDER - value.s }
  return { ...low, hex: encode(low).toString('hex') }
}

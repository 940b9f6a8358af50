/** ECDSA-Sig-Value of RFC 3279, 2.2.3 and SEC 1, C.5: SEQUENCE { r INTEGER, s INTEGER }. */
export interface SigValue {
  readonly r: bigint
  readonly s: bigint
}

/** n, the order of the base point of secp256k1: SEC 2, 2.4.1. */
export const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

const SEQUENCE = 0x30
const INTEGER = 0x02

/**
 * The r and s in the bytes, or undefined where they are not exactly the DER of two numbers from 1 to n - 1.
 * DER has one encoding for a value (X.690, 10 and 11): the two numbers are read from where they must stand,
 * and whatever else is amiss (a tag, a length, a sign, padding, bytes left over) shows in the comparison.
 */
export function decode(der: Uint8Array): SigValue | undefined {
  const r = numberAt(der, 4)
  const s = numberAt(der, 6 + (der[3] ?? 0))
  if (!inRange(r) || !inRange(s)) return undefined
  return encode({ r, s }).equals(der) ? { r, s } : undefined
}

/** The DER of r and s, both from 1 to n - 1: at most 70 bytes of content, so each length is one byte (X.690, 8.1.3.4). */
export function encode({ r, s }: SigValue): Buffer {
  return element(SEQUENCE, Buffer.concat([integer(r), integer(s)]))
}

function integer(value: bigint): Buffer {
  const hex = value.toString(16)
  // Two's complement in the fewest bytes (X.690, 8.3): a zero byte keeps a leading one bit from being the sign.
  const pad = hex.length % 2 === 1 ? '0' : hex >= '8' ? '00' : ''
  return element(INTEGER, Buffer.from(pad + hex, 'hex'))
}

function element(tag: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.of(tag, content.length), content])
}

/** The unsigned number that starts here; its length stands in the byte before. Outside of the bytes it is 0. */
function numberAt(der: Uint8Array, start: number): bigint {
  const end = start + (der[start - 1] ?? 0)
  return BigInt(`0x0${Buffer.from(der.subarray(start, end)).toString('hex')}`)
}

/** SEC 1, 4.1.4, step 1. */
function inRange(value: bigint): boolean {
  return 0n < value && value < ORDER
}

import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseSignature } from '../../src/signature/signature.ts'

/** Somebody who signs plugins. */
export interface Signer {
  /** The public key's file. */
  readonly pem: string
  /** Hex of the DER as OpenSSL writes it, but always in the low-S form, which is stored as it is. */
  sign(bytes: Uint8Array): string
}

/** Inside a describe block: a new key pair, whose file goes when the block ends. */
export function signer(): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
  const folder = mkdtempSync(join(tmpdir(), 'memflow-signer-'))
  const pem = join(folder, 'public.pem')
  writeFileSync(pem, publicKey.export({ type: 'spki', format: 'pem' }))

  after(() => rmSync(folder, { recursive: true }))

  return {
    pem,
    sign: bytes => parseSignature(sign('sha256', bytes, privateKey).toString('hex'))?.hex ?? '',
  }
}

import { createPublicKey, type KeyObject } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf, hexOf } from '../oci/digest.ts'

/** A secp256k1 public key that signatures are checked against. */
export interface Key {
  /** SHA-256 of its SubjectPublicKeyInfo in DER, hex: the same however the PEM was written. */
  readonly fingerprint: string
  /** The file that it came from. */
  readonly source: string
  /** 04 || x || y: SEC 1, 2.3.3. */
  readonly point: Uint8Array
}

const CURVE = 'secp256k1'
const BEGIN = '-----BEGIN PUBLIC KEY-----'

/**
 * The keys of a file with one or more PEM blocks, of a comma-separated list of such files, or of a folder (its *.pem).
 * Each key once, in the order of the setting. What is named must hold a key: a mistake never turns verification off.
 * Throws an Error of one line that names the file and the fix.
 */
export async function loadKeys(setting: string): Promise<Key[]> {
  const keys = new Map<string, Key>()
  for (const path of await filesOf(setting)) {
    for (const key of keysOf(await readable(path, readFile(path, 'utf8')), path)) {
      if (!keys.has(key.fingerprint)) keys.set(key.fingerprint, key)
    }
  }
  return [...keys.values()]
}

/** The public keys in a PEM text, RFC 7468. Throws where there is none, or something else among them. */
export function keysOf(pem: string, source: string): Key[] {
  // createPublicKey() would quietly derive the public key of a private one, which has no business on this machine.
  if (/-----BEGIN (?:\w+ )*PRIVATE KEY-----/.test(pem)) {
    throw new Error(`${source} holds a private key where the public key is needed: ${derive(source)}`)
  }
  const blocks = pem.split(/(?=-----BEGIN )/).filter(block => block.startsWith('-----BEGIN '))
  if (blocks.length === 0) throw new Error(`${source} holds no ${BEGIN} block: ${derive('private.pem')}`)
  return blocks.map(block => keyOf(block, source))
}

function keyOf(block: string, source: string): Key {
  const key = publicKey(block, source)
  const curve = key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType
  if (curve !== CURVE) {
    throw new Error(
      `${source} holds a public key of type ${curve} where the curve ${CURVE} is required: ` +
        `make a key pair with openssl ecparam -name ${CURVE} -genkey -noout -out private.pem`,
    )
  }
  const jwk = key.export({ format: 'jwk' })
  const { x = '', y = '' } = jwk
  // By way of the JWK, so that a compressed point in the PEM does not make it another key.
  const spki = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'der' })
  return {
    fingerprint: hexOf(digestOf(spki)),
    source,
    point: Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]),
  }
}

function publicKey(block: string, source: string): KeyObject {
  try {
    // Nor a certificate, which it takes as well.
    if (block.startsWith(BEGIN)) return createPublicKey(block)
  } catch {
    // OpenSSL's words ("DECODER routines::unsupported") would help nobody.
  }
  const [first] = block.split(/\r?\n/, 1)
  throw new Error(`${source} has a "${first}" that is no readable public key: ${derive('private.pem')}`)
}

function derive(from: string): string {
  return `write it with openssl pkey -in ${from} -pubout -out public.pem`
}

async function filesOf(setting: string): Promise<string[]> {
  if (setting.trim() === '') return []
  const paths = setting.split(',').map(path => path.trim())
  return (await Promise.all(paths.map(expand))).flat()
}

async function expand(path: string): Promise<string[]> {
  if (path === '') throw new Error('the list of public key files has an empty name: take the comma out')
  if (!(await readable(path, stat(path))).isDirectory()) return [path]
  const names = (await readable(path, readdir(path))).filter(name => name.endsWith('.pem'))
  if (names.length === 0) throw new Error(`${path} has no .pem file in it: put the public keys there`)
  return names.sort().map(name => join(path, name))
}

async function readable<T>(path: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new Error(`${path} cannot be read (${code}): name a PEM file, a list or a folder`, { cause })
  }
}

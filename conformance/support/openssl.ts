import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './process.ts'

/** The order of secp256k1, SEC 2 section 2.4.1. */
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

/** A key pair made the way the README tells, and what `openssl dgst -sign` writes with it. */
export class SigningKey {
  readonly privateFile: string
  readonly publicFile: string

  private constructor(folder: string, name: string) {
    this.privateFile = join(folder, `${name}-private.pem`)
    this.publicFile = join(folder, `${name}-public.pem`)
  }

  static async make(folder: string, name = 'key'): Promise<SigningKey> {
    const key = new SigningKey(folder, name)
    const raw = join(folder, `${name}-raw.pem`)
    await openssl('ecparam', '-name', 'secp256k1', '-genkey', '-noout', '-out', raw)
    await openssl('pkcs8', '-topk8', '-nocrypt', '-in', raw, '-out', key.privateFile)
    await openssl('ec', '-in', key.privateFile, '-pubout', '-out', key.publicFile)
    await chmod(key.privateFile, 0o644)
    return key
  }

  /** A signature as openssl makes it, whether s is high or low, or with s of the wanted kind. */
  async sign(file: string, s: 'any' | 'high' | 'low' = 'low'): Promise<string> {
    for (;;) {
      const line = await openssl('dgst', '-sha256', '-hex', '-sign', this.privateFile, file)
      const signature = line.split('= ')[1]?.trim() ?? ''
      if (s === 'any' || isHighS(signature) === (s === 'high')) return signature
    }
  }
}

export function isHighS(signature: string): boolean {
  return readDer(signature).s > ORDER / 2n
}

/** The signature that is equivalent, with the other s. */
export function otherS(signature: string): string {
  const { r, s } = readDer(signature)
  const body = integer(r) + integer(ORDER - s)
  return `30${byte(body.length / 2)}${body}`
}

function readDer(signature: string): { r: bigint; s: bigint } {
  const der = Buffer.from(signature, 'hex')
  const rLength = der.readUInt8(3)
  return { r: big(der.subarray(4, 4 + rLength)), s: big(der.subarray(6 + rLength)) }
}

function big(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`)
}

/** A positive INTEGER of DER in its shortest form, X.690 section 8.3. */
function integer(value: bigint): string {
  const digits = value.toString(16)
  const even = digits.length % 2 === 0 ? digits : `0${digits}`
  const positive = Number.parseInt(even.slice(0, 2), 16) < 0x80 ? even : `00${even}`
  return `02${byte(positive.length / 2)}${positive}`
}

function byte(value: number): string {
  return value.toString(16).padStart(2, '0')
}

async function openssl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run('openssl', args)
  if (code !== 0) throw new Error(`openssl ${args.join(' ')} ended with ${code}: ${stderr}`)
  return stdout.toString()
}

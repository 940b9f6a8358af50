import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The openssl command in a temporary folder of its own. */
export class OpenSSL {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  static async open(): Promise<OpenSSL> {
    return new OpenSSL(await mkdtemp(join(tmpdir(), 'signature-')))
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  async write(name: string, content: string | Uint8Array): Promise<string> {
    await writeFile(this.path(name), content)
    return this.path(name)
  }

  async read(name: string): Promise<string> {
    return await readFile(this.path(name), 'utf8')
  }

  async run(...args: string[]): Promise<string> {
    return (await run('openssl', args, { cwd: this.folder })).stdout
  }

  /** A new key pair as `<name>.key` and `<name>.pem`; answers the public PEM. */
  async keyPair(name: string, curve = 'secp256k1'): Promise<string> {
    await this.run('ecparam', '-name', curve, '-genkey', '-noout', '-out', `${name}.key`)
    await this.run('ec', '-in', `${name}.key`, '-pubout', '-out', `${name}.pem`)
    return await this.read(`${name}.pem`)
  }

  /** As the README tells users to sign: the hex behind `EC-SHA2-256(file)= `. */
  async sign(name: string, file: string): Promise<string> {
    const line = await this.run('dgst', '-sha256', '-hex', '-sign', `${name}.key`, file)
    return line.trim().replace(/^.*= /, '')
  }

  /** Whether openssl accepts the signature of that file under `<name>.pem`. */
  async accepts(name: string, file: string, signature: string): Promise<boolean> {
    await this.write('signature.der', Buffer.from(signature, 'hex'))
    const verified = this.run(
      'dgst',
      '-sha256',
      '-verify',
      `${name}.pem`,
      '-signature',
      'signature.der',
      file,
    )
    return await verified.then(
      () => true,
      () => false,
    )
  }

  async close(): Promise<void> {
    await rm(this.folder, { recursive: true })
  }
}

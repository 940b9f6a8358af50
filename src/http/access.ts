import { createHash, timingSafeEqual } from 'node:crypto'
import { jwtVerify, SignJWT } from 'jose'
import type { Context } from 'koa'
import { RegistryError } from '../oci/errors.ts'

export type Right = 'read' | 'write'

const SERVICE = 'memflow-registry'

/** Of the tokens that the token endpoint gives, in seconds; the docs of Docker's token flow ask for 60 at least. */
const LIFETIME = 300

/**
 * Who may write. One secret, the bearer token, is accepted as it is, as the password of Basic,
 * or turned into a short-lived signed token by the token endpoint, which is what docker and its kin do.
 */
export class Access {
  readonly #secret: string
  readonly #key: Uint8Array
  readonly #publicUrl: string | undefined

  constructor(secret: string, publicUrl?: string) {
    this.#secret = secret
    // Derived, so that all processes on one secret accept each other's tokens.
    this.#key = createHash('sha256').update(`${SERVICE} token key\0${secret}`).digest()
    this.#publicUrl = publicUrl
  }

  /** Throws `UNAUTHORIZED` with a challenge, unless the request may write; `scope` as in Docker's token flow. */
  async requireWrite(ctx: Context, scope?: string): Promise<void> {
    if ((await this.#rightOf(ctx, scope)) === 'write') return
    throw this.#refused(ctx, scope, 'this needs the token of this registry: log in with it as the password')
  }

  /** Reading is open to all, but who sends credentials is told when they are wrong. */
  async checkRead(ctx: Context, scope?: string): Promise<void> {
    await this.#rightOf(ctx, scope)
  }

  /** Throws `UNAUTHORIZED` for anonymous requests too: it is how clients learn how to log in. */
  async requireCredentials(ctx: Context): Promise<void> {
    if (ctx.req.headers.authorization !== undefined) await this.#rightOf(ctx)
    else
      throw this.#refused(
        ctx,
        undefined,
        'get a token from the realm, or send the token of this registry as Basic password or Bearer',
      )
  }

  /** The answer of the token endpoint: a token to read with for anybody, to write with for who has the secret. */
  async issue(ctx: Context): Promise<object> {
    const right = (await this.#rightOf(ctx)) ?? 'read'
    const now = Math.floor(Date.now() / 1000)
    const token = await new SignJWT({ right })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer(SERVICE)
      .setAudience(SERVICE)
      .setIssuedAt(now)
      .setExpirationTime(now + LIFETIME)
      .sign(this.#key)
    return { token, access_token: token, expires_in: LIFETIME, issued_at: new Date(now * 1000).toISOString() }
  }

  /** Undefined where no credentials came. Throws `UNAUTHORIZED` where they are wrong. */
  async #rightOf(ctx: Context, scope?: string): Promise<Right | undefined> {
    const header = ctx.req.headers.authorization
    if (header === undefined) return undefined
    const [scheme = '', credentials = ''] = header.trim().split(/\s+/, 2)
    const right = await this.#rightBy(scheme.toLowerCase(), credentials)
    if (right) return right
    throw this.#refused(ctx, scope, 'the token is wrong or has expired')
  }

  async #rightBy(scheme: string, credentials: string): Promise<Right | undefined> {
    if (scheme === 'basic') {
      const [, password = ''] = /^[^:]*:(.*)$/s.exec(Buffer.from(credentials, 'base64').toString()) ?? []
      return this.#isSecret(password) ? 'write' : undefined
    }
    if (scheme !== 'bearer') return undefined
    if (this.#isSecret(credentials)) return 'write'
    try {
      const { payload } = await jwtVerify(credentials, this.#key, {
        issuer: SERVICE,
        audience: SERVICE,
        algorithms: ['HS256'],
      })
      return payload.right === 'write' ? 'write' : 'read'
    } catch {
      return undefined
    }
  }

  /** In constant time; hashing makes the lengths equal. */
  #isSecret(text: string): boolean {
    const hash = (s: string) => createHash('sha256').update(s).digest()
    return timingSafeEqual(hash(text), hash(this.#secret))
  }

  #refused(ctx: Context, scope: string | undefined, message: string): RegistryError {
    const realm = `${this.#publicUrl ?? `${ctx.protocol}://${hostOf(ctx)}`}/token`
    const challenge = `Bearer realm="${realm}",service="${SERVICE}"${scope ? `,scope="${scope}"` : ''}`
    return new RegistryError('UNAUTHORIZED', { message, headers: { 'WWW-Authenticate': challenge } })
  }
}

/** The Host header goes into a quoted string, so only what hosts are made of passes. */
function hostOf(ctx: Context): string {
  return /^[A-Za-z0-9._:[\]-]{1,255}$/.test(ctx.host) ? ctx.host : 'localhost'
}

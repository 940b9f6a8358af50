import type { Context } from 'koa'
import { RegistryError } from '../oci/errors.ts'
import { AccessTokens, SERVICE } from './access-tokens.ts'
import { Credentials, type Right } from './credentials.ts'
import { covers, formatScope, type Grant } from './grant.ts'

/** Five minutes, in milliseconds. */
const DEFAULT_TOKEN_TTL_MS = 300_000

interface AccessOptions {
  /** The URL that clients reach this registry by; by default that of the request. */
  readonly publicUrl?: string | undefined
  /** How long an access token is valid, in milliseconds. */
  readonly tokenTtl?: number
  /** A clock in milliseconds since 1970. */
  readonly now?: () => number
}

/** RFC 6750, 3.1. Clients get a new token for `invalid_token`, and ask for more for `insufficient_scope`. */
type ChallengeError = 'invalid_token' | 'insufficient_scope'

/**
 * Decides what a request may do. There is one secret. A client sends it as the bearer token or as the password of Basic,
 * or exchanges it for a signed token with a short life at the token endpoint, which is what docker and its kin do.
 */
export class Access {
  readonly secret: string
  readonly tokens: AccessTokens
  readonly credentials: Credentials
  readonly #publicUrl: string | undefined

  constructor(
    secret: string,
    { publicUrl, tokenTtl = DEFAULT_TOKEN_TTL_MS, now = Date.now }: AccessOptions = {},
  ) {
    this.secret = secret
    this.tokens = new AccessTokens(secret, tokenTtl, now)
    this.credentials = new Credentials(secret, this.tokens, now)
    this.#publicUrl = publicUrl
  }

  /** Throws `UNAUTHORIZED` with a challenge, unless the request may do this; without `needed` only the secret may. */
  async requireWrite(ctx: Context, needed?: Grant): Promise<void> {
    const right = await this.rightOf(ctx, needed)
    if (right === 'all' || (right && needed && covers(right, needed))) return
    // 401, where RFC 6750 has 403: clients get a new token, with this scope, on 401 only; distribution does the same.
    throw this.#challenge(ctx, {
      needed,
      ...(right && { error: 'insufficient_scope' }),
      message:
        'this needs the token of this registry: send the header "Authorization: Bearer TOKEN", or log in with it as the password',
    })
  }

  /** Reading is open to all, but wrong credentials are refused: throws `UNAUTHORIZED`. */
  async checkRead(ctx: Context, needed?: Grant): Promise<void> {
    await this.rightOf(ctx, needed)
  }

  /** Throws `UNAUTHORIZED` for anonymous requests too: it is how clients learn how to log in. */
  async requireCredentials(ctx: Context): Promise<void> {
    if (await this.rightOf(ctx)) return
    throw this.#challenge(ctx, {
      message: 'get a token from the realm, or send the token of this registry as Basic password or Bearer',
    })
  }

  /** What the credentials allow; undefined if there are none. Throws `UNAUTHORIZED` if they are wrong. */
  async rightOf(ctx: Context, needed?: Grant): Promise<Right | undefined> {
    const right = await this.credentials.check(ctx.req)
    if (right !== 'refused') return right
    const isBearer = /^bearer\b/i.test(ctx.req.headers.authorization ?? '')
    throw this.#challenge(ctx, {
      needed,
      ...(isBearer && { error: 'invalid_token' }),
      message:
        'the token is wrong or has expired: send another one in the header "Authorization: Bearer TOKEN"',
    })
  }

  #challenge(
    ctx: Context,
    { needed, error, message }: { needed?: Grant | undefined; error?: ChallengeError; message: string },
  ): RegistryError {
    const parameters = {
      realm: `${this.#publicUrl ?? `${ctx.protocol}://${hostOf(ctx)}`}/token`,
      service: SERVICE,
      ...(needed && { scope: formatScope(needed) }),
      ...(error && { error }),
    }
    const texts = Object.entries(parameters).map(([name, value]) => `${name}="${value}"`)
    return new RegistryError('UNAUTHORIZED', {
      message,
      headers: { 'WWW-Authenticate': `Bearer ${texts.join(',')}` },
    })
  }
}

/** The Host header goes into a quoted string, so only what hosts are made of passes. */
function hostOf(ctx: Context): string {
  return /^[A-Za-z0-9._:[\]-]{1,255}$/.test(ctx.host) ? ctx.host : 'localhost'
}

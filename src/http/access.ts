import { createHash, hash, timingSafeEqual } from 'node:crypto'
import type { Context } from 'koa'
import { RegistryError } from '../oci/errors.ts'
import { type Identity, identify } from './access-log.ts'
import { checkScopes, covers, formatScope, type Grant, parseScopes, readOnly } from './grant.ts'
import { parametersOf } from './parameters.ts'

const SERVICE = 'memflow-registry'

/** Loaded with the first token: who only reads, or sends the secret itself, needs none. */
const jose = () => import('jose')

/** Of the tokens that the token endpoint gives, in seconds; Docker's token flow asks for 60 at least. */
const LIFETIME = 300

/** The secret may do everything, a token what it was given for. */
type Right = 'all' | readonly Grant[]

/** Credentials that were checked, and until when they are good, in milliseconds since 1970. */
interface Known extends Identity {
  readonly right: Right
  readonly until: number
}

/** How many credentials are remembered: some hundred kilobytes. */
const MOST_KNOWN = 1000

/**
 * Who may write. One secret, the bearer token, is accepted as it is, as the password of Basic,
 * or turned into a short-lived signed token by the token endpoint, which is what docker and its kin do.
 */
export class Access {
  readonly #secret: string
  readonly #key: Uint8Array
  readonly #publicUrl: string | undefined
  readonly #now: () => number
  /** By the hash of the header. A client sends its token with every request, and checking one takes longer than answering. */
  readonly #known = new Map<string, Known>()

  /** `now`: a clock in milliseconds since 1970. */
  constructor(secret: string, publicUrl?: string, now: () => number = Date.now) {
    this.#secret = secret
    // Derived, so that all processes on one secret accept each other's tokens.
    this.#key = createHash('sha256').update(`${SERVICE} token key\0${secret}`).digest()
    this.#publicUrl = publicUrl
    this.#now = now
  }

  /** Throws `UNAUTHORIZED` with a challenge, unless the request may do this; without `needed` only the secret may. */
  async requireWrite(ctx: Context, needed?: Grant): Promise<void> {
    const right = await this.#rightOf(ctx, needed)
    if (right === 'all' || (right && needed && covers(right, needed))) return
    throw this.#refused(ctx, needed, 'this needs the token of this registry: log in with it as the password')
  }

  /** Reading is open to all, but who sends credentials is told when they are wrong. */
  async checkRead(ctx: Context, needed?: Grant): Promise<void> {
    await this.#rightOf(ctx, needed)
  }

  /** Throws `UNAUTHORIZED` for anonymous requests too: it is how clients learn how to log in. */
  async requireCredentials(ctx: Context): Promise<void> {
    if (await this.#rightOf(ctx)) return
    throw this.#refused(
      ctx,
      undefined,
      'get a token from the realm, or send the token of this registry as Basic password or Bearer',
    )
  }

  /**
   * The answer of the token endpoint: what was asked for to who has the secret, of it the pulling to anybody.
   * Throws `BAD_REQUEST` for too many scopes.
   */
  async issue(ctx: Context): Promise<object> {
    const scopes = parametersOf(ctx).getAll('scope')
    checkScopes(scopes)
    const asked = parseScopes(scopes)
    const access = (await this.#rightOf(ctx)) === 'all' ? asked : readOnly(asked)
    const now = Math.floor(this.#now() / 1000)
    const { SignJWT } = await jose()
    const token = await new SignJWT({ access })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer(SERVICE)
      .setAudience(SERVICE)
      .setIssuedAt(now)
      .setExpirationTime(now + LIFETIME)
      .sign(this.#key)
    return { token, access_token: token, expires_in: LIFETIME, issued_at: new Date(now * 1000).toISOString() }
  }

  /** Whether these credentials came before, were right, and still are: enough for reading. */
  isKnown(header: string): boolean {
    return this.#knownBy(keyOf(header)) !== undefined
  }

  /** Undefined where no credentials came. Throws `UNAUTHORIZED` where they are wrong. */
  async #rightOf(ctx: Context, needed?: Grant): Promise<Right | undefined> {
    const header = ctx.req.headers.authorization
    if (header === undefined) return undefined
    const key = keyOf(header)
    const known = this.#knownBy(key)
    if (known) {
      identify(ctx.req, known)
      return known.right
    }
    // RFC 9110, 11.4: a scheme, spaces, and one token68; anything after it makes the whole wrong.
    const [, scheme = '', credentials = ''] =
      /^([A-Za-z]+) +([A-Za-z0-9._~+/-]+=*)$/.exec(header.trim()) ?? []
    const checked = await this.#check(scheme.toLowerCase(), credentials)
    if (!checked) {
      identify(ctx.req, { who: 'anonymous', isRefused: true })
      throw this.#refused(ctx, needed, 'the token is wrong or has expired')
    }
    identify(ctx.req, checked)
    this.#known.set(key, checked)
    if (this.#known.size > MOST_KNOWN) this.#known.delete(this.#known.keys().next().value as string)
    return checked.right
  }

  #knownBy(key: string): Known | undefined {
    const known = this.#known.get(key)
    return known && known.until > this.#now() ? known : undefined
  }

  async #check(scheme: string, credentials: string): Promise<Known | undefined> {
    const all: Known = { who: 'the secret', right: 'all', until: Number.POSITIVE_INFINITY }
    if (scheme === 'basic') {
      const [, password = ''] = /^[^:]*:(.*)$/s.exec(Buffer.from(credentials, 'base64').toString()) ?? []
      return this.#isSecret(password) ? all : undefined
    }
    if (scheme !== 'bearer') return undefined
    if (this.#isSecret(credentials)) return all
    const { jwtVerify } = await jose()
    try {
      const currentDate = new Date(this.#now())
      const options = { issuer: SERVICE, audience: SERVICE, algorithms: ['HS256'], currentDate }
      const { payload } = await jwtVerify<{ access: Grant[] }>(credentials, this.#key, options)
      return { who: 'a token', right: payload.access, until: (payload.exp ?? 0) * 1000 }
    } catch {
      return undefined
    }
  }

  /** In constant time; hashing makes the lengths equal. */
  #isSecret(text: string): boolean {
    const digest = (s: string) => createHash('sha256').update(s).digest()
    return timingSafeEqual(digest(text), digest(this.#secret))
  }

  #refused(ctx: Context, needed: Grant | undefined, message: string): RegistryError {
    const realm = `${this.#publicUrl ?? `${ctx.protocol}://${hostOf(ctx)}`}/token`
    const scope = needed ? `,scope="${formatScope(needed)}"` : ''
    const challenge = `Bearer realm="${realm}",service="${SERVICE}"${scope}`
    return new RegistryError('UNAUTHORIZED', { message, headers: { 'WWW-Authenticate': challenge } })
  }
}

function keyOf(header: string): string {
  return hash('sha256', header, 'base64')
}

/** The Host header goes into a quoted string, so only what hosts are made of passes. */
function hostOf(ctx: Context): string {
  return /^[A-Za-z0-9._:[\]-]{1,255}$/.test(ctx.host) ? ctx.host : 'localhost'
}

import { createHash } from 'node:crypto'
import type { Grant } from './grant.ts'

/** The name of this service in challenges and in its tokens. */
export const SERVICE = 'memflow-registry'

/** Loaded with the first token: clients that only read, or that send the secret itself, need none. */
const jose = () => import('jose')

/** What a token allows, and until when, in milliseconds since 1970. */
export interface VerifiedToken {
  readonly grants: readonly Grant[]
  readonly until: number
}

/** A new token in the form of the token endpoint (Docker's token spec, "Token Response"). */
export interface IssuedToken {
  readonly token: string
  readonly access_token: string
  /** In seconds. */
  readonly expires_in: number
  /** ISO 8601. */
  readonly issued_at: string
}

/** Signed tokens (RFC 7519) that allow their bearer a few actions for a short time. */
export class AccessTokens {
  readonly #key: Uint8Array
  readonly #lifetimeSeconds: number
  readonly #now: () => number

  /** `lifetime` in milliseconds; `now`: a clock in milliseconds since 1970. */
  constructor(secret: string, lifetime: number, now: () => number) {
    // Derived, so that all processes with one secret accept each other's tokens.
    this.#key = createHash('sha256').update(`${SERVICE} token key\0${secret}`).digest()
    this.#lifetimeSeconds = Math.ceil(lifetime / 1000)
    this.#now = now
  }

  async issue(access: readonly Grant[]): Promise<IssuedToken> {
    const now = Math.floor(this.#now() / 1000)
    const { SignJWT } = await jose()
    const token = await new SignJWT({ access })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer(SERVICE)
      .setAudience(SERVICE)
      .setIssuedAt(now)
      .setExpirationTime(now + this.#lifetimeSeconds)
      .sign(this.#key)
    const issuedAt = new Date(now * 1000).toISOString()
    return { token, access_token: token, expires_in: this.#lifetimeSeconds, issued_at: issuedAt }
  }

  /** Returns undefined for a token that is not one of ours, or that has expired. */
  async verify(token: string): Promise<VerifiedToken | undefined> {
    const { jwtVerify } = await jose()
    try {
      const { payload } = await jwtVerify<{ access: Grant[] }>(token, this.#key, {
        issuer: SERVICE,
        audience: SERVICE,
        algorithms: ['HS256'],
        requiredClaims: ['exp'],
        currentDate: new Date(this.#now()),
      })
      return { grants: payload.access, until: (payload.exp as number) * 1000 }
    } catch {
      return undefined
    }
  }
}

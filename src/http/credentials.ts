import { hash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { dropOldest } from '../lib/drop-oldest.ts'
import { type Identity, identify } from './access-log.ts'
import type { AccessTokens } from './access-tokens.ts'
import type { Grant } from './grant.ts'

/** The secret allows everything, a token what it was issued for. */
export type Right = 'all' | readonly Grant[]

/** Credentials that were checked, and until when they are valid, in milliseconds since 1970. */
interface Checked extends Identity {
  readonly right: Right
  readonly until: number
}

/** How many checked credentials are cached: some hundred kilobytes. */
const MAX_CACHED = 1000

/** Checks the Authorization header: the secret as Bearer or as the password of Basic, or a signed token as Bearer. */
export class Credentials {
  readonly #secretHash: Buffer
  readonly #tokens: AccessTokens
  readonly #now: () => number
  /** By the hash of the header. A client sends its token with every request, and a check takes longer than a response. */
  readonly #cache = new Map<string, Checked>()

  /** `now`: a clock in milliseconds since 1970. */
  constructor(secret: string, tokens: AccessTokens, now: () => number) {
    this.#secretHash = hash('sha256', secret, 'buffer')
    this.#tokens = tokens
    this.#now = now
  }

  /** Returns undefined for a request without credentials, and `refused` if they are wrong or have expired. */
  async check(req: IncomingMessage): Promise<Right | 'refused' | undefined> {
    const header = req.headers.authorization
    if (header === undefined) return undefined
    const key = keyOf(header)
    const cached = this.#cached(key)
    if (cached) {
      identify(req, cached)
      return cached.right
    }
    // RFC 9110, 11.4: a scheme, spaces, and one token68; anything after it makes the whole wrong.
    const [, scheme = '', text = ''] = /^([A-Za-z]+) +([A-Za-z0-9._~+/-]+=*)$/.exec(header.trim()) ?? []
    const checked = await this.#checkText(scheme.toLowerCase(), text)
    if (!checked) {
      identify(req, { who: 'anonymous', isRefused: true })
      return 'refused'
    }
    identify(req, checked)
    this.#cache.set(key, checked)
    dropOldest(this.#cache, MAX_CACHED)
    return checked.right
  }

  /** Whether this header was checked before and is still valid: enough for reading. */
  isCached(header: string): boolean {
    return this.#cached(keyOf(header)) !== undefined
  }

  /** Compares in constant time; hashes make the lengths equal. */
  isSecret(text: string): boolean {
    return timingSafeEqual(hash('sha256', text, 'buffer'), this.#secretHash)
  }

  #cached(key: string): Checked | undefined {
    const cached = this.#cache.get(key)
    return cached && cached.until > this.#now() ? cached : undefined
  }

  async #checkText(scheme: string, text: string): Promise<Checked | undefined> {
    const all: Checked = { who: 'the secret', right: 'all', until: Number.POSITIVE_INFINITY }
    if (scheme === 'basic') {
      const [, password = ''] = /^[^:]*:(.*)$/s.exec(Buffer.from(text, 'base64').toString()) ?? []
      return this.isSecret(password) ? all : undefined
    }
    if (scheme !== 'bearer') return undefined
    if (this.isSecret(text)) return all
    const verified = await this.#tokens.verify(text)
    return verified && { who: 'a token', right: verified.grants, until: verified.until }
  }
}

function keyOf(header: string): string {
  return hash('sha256', header, 'base64')
}

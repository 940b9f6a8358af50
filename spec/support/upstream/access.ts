import { randomUUID } from 'node:crypto'
import { errorAnswer, json, kindOf, type SoundAnswer } from './answers.ts'

/** What an upstream wants of who asks. */
export interface Access {
  /** Undefined where the request may pass; else the refusal. `origin`: of the upstream. */
  check(url: URL, authorization: string | undefined, origin: string): SoundAnswer | undefined
}

interface Login {
  readonly username: string
  readonly password: string
}

export function basicHeader({ username, password }: Login): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** Username and password with each request. */
export class BasicAccess implements Access {
  readonly #login: Login

  constructor(login: Login) {
    this.#login = login
  }

  check(_url: URL, authorization: string | undefined): SoundAnswer | undefined {
    if (authorization === basicHeader(this.#login)) return undefined
    return errorAnswer(401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="upstream"' })
  }
}

interface TokenOptions {
  /** Without it tokens are given to anybody. */
  readonly login?: Login
  /** What the challenge says, in place of `/token` at the upstream itself. */
  readonly realm?: string
  /** `expires_in` in seconds, where it is to be told. */
  readonly lifetime?: number
  readonly field?: 'token' | 'access_token'
}

/** Docker's token flow: the upstream names the realm, the realm gives tokens. One for both, wherever they are. */
export class TokenAccess implements Access {
  realm: string | undefined
  readonly #options: TokenOptions
  readonly #scopes = new Map<string, string>()

  constructor(options: TokenOptions = {}) {
    this.#options = options
    this.realm = options.realm
  }

  revoke(): void {
    this.#scopes.clear()
  }

  check(url: URL, authorization: string | undefined, origin: string): SoundAnswer | undefined {
    const { kind, parts } = kindOf(url)
    if (kind === 'token') return this.#issue(url, authorization)
    const scope = kind === 'catalog' ? 'registry:catalog:*' : `repository:${parts[0] ?? ''}:pull`
    if (this.#scopes.get(authorization?.replace(/^Bearer /, '') ?? '') === scope) return undefined
    const realm = this.realm ?? `${origin}/token`
    const challenge = `Bearer realm="${realm}",service="upstream",scope="${scope}"`
    return errorAnswer(401, 'UNAUTHORIZED', { 'www-authenticate': challenge })
  }

  #issue(url: URL, authorization: string | undefined): SoundAnswer {
    const { login, lifetime, field = 'token' } = this.#options
    if (login && authorization !== basicHeader(login)) return errorAnswer(401, 'UNAUTHORIZED')
    const token = `token-${randomUUID()}`
    this.#scopes.set(token, url.searchParams.get('scope') ?? '')
    return json({ [field]: token, ...(lifetime !== undefined && { expires_in: lifetime }) })
  }
}

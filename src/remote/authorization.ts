import type { Backoff } from './backoff.ts'
import { type Challenge, parseChallenges } from './challenge.ts'
import type { Http } from './http.ts'
import { checkRealm } from './realm.ts'
import type { RemoteRequest } from './request.ts'
import type { UpstreamSettings } from './settings.ts'
import { Tokens } from './tokens.ts'

/** Repositories are named by clients, so their number has no bound. */
const MOST_SCOPES = 1000

/** The Authorization header of requests to one upstream: Basic, or Bearer with a token of the realm that it names. */
export class Authorization {
  readonly #settings: UpstreamSettings
  readonly #basic: string | undefined
  readonly #tokens: Tokens
  /** What the upstream wanted last, and could be given, by the scope of the request. */
  readonly #challenges = new Map<string, Challenge>()

  constructor(settings: UpstreamSettings, http: Http, backoff: Backoff, now: () => number) {
    const { name, username = '', password = '', connectTimeout, idleTimeout } = settings
    const credentials = `${username}:${password}`
    this.#settings = settings
    this.#basic = credentials === ':' ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`
    this.#tokens = new Tokens(name, http, backoff, connectTimeout + idleTimeout, now)
  }

  /** What answers the challenge that the scope had before; undefined where there is none, or nothing answers it now. */
  async known(request: RemoteRequest, scope: string): Promise<string | undefined> {
    const challenge = this.#challenges.get(scope)
    if (!challenge) return undefined
    // The upstream may want something else by now, and says it when it is asked.
    return await this.#answer(request, scope, challenge).catch(() => {
      this.#challenges.delete(scope)
      return undefined
    })
  }

  /** What answers the challenge of a 401 to a request with `refused`. Throws `RemoteError` where nothing does. */
  async answer(request: RemoteRequest, scope: string, header = '', refused?: string): Promise<string> {
    const challenges = parseChallenges(header)
    const challenge =
      challenges.find(({ scheme }) => scheme === 'bearer') ??
      challenges.find(({ scheme }) => scheme === 'basic')
    if (!challenge) {
      throw request.error('refused', '401, and it asks for neither Basic nor Bearer credentials')
    }
    const authorization = await this.#answer(request, scope, challenge, refused?.replace(/^Bearer /, ''))
    this.#challenges.delete(scope)
    this.#challenges.set(scope, challenge)
    const [oldest] = this.#challenges.keys()
    if (this.#challenges.size > MOST_SCOPES && oldest !== undefined) this.#challenges.delete(oldest)
    return authorization
  }

  async #answer(
    request: RemoteRequest,
    scope: string,
    { scheme, parameters }: Challenge,
    refused?: string,
  ): Promise<string> {
    if (scheme === 'basic') {
      if (this.#basic !== undefined) return this.#basic
      throw request.error('refused', '401: it wants a username and password, which it has not got here')
    }
    const realm = checkRealm(
      request,
      parameters.get('realm') ?? '',
      this.#settings,
      this.#basic !== undefined,
    )
    const question = {
      realm,
      service: parameters.get('service'),
      scope: parameters.get('scope') ?? scope,
      authorization: this.#basic,
    }
    return `Bearer ${await this.#tokens.get(question, refused)}`
  }
}

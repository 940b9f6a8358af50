import { DOCUMENTS_HERE } from '../oci/documents.ts'
import type { Backoff } from './backoff.ts'
import { parseObject, readBody } from './body.ts'
import { within } from './deadline.ts'
import type { RemoteError } from './error.ts'
import { discard, type Http, type Reply } from './http.ts'
import { RemoteRequest } from './request.ts'
import { statusError } from './status.ts'

const MOST_TOKEN_BYTES = 64 * 1024

/** Repositories are named by clients, so their number has no bound. */
const MOST_TOKENS = 1000

/** Docker's token specification: what holds where the realm does not say, in seconds. */
const LIFETIME = 60

/** The part of its lifetime that a token is used for, so that it does not expire on its way. */
const USED = 0.9

/** What a token is asked with. */
export interface TokenQuestion {
  readonly realm: URL
  readonly service: string | undefined
  readonly scope: string
  /** Basic credentials; without them the token is an anonymous one. */
  readonly authorization: string | undefined
}

interface Answer {
  readonly token: string
  /** Milliseconds. */
  readonly lifetime: number
}

/** The tokens of one upstream, by realm, service and scope: each is asked for once, also by many at a time. */
export class Tokens {
  readonly #upstream: string
  readonly #http: Http
  readonly #backoff: Backoff
  readonly #budget: number
  readonly #now: () => number
  /** `expires` is Infinity while the answer is on its way. */
  readonly #known = new Map<string, { answer: Promise<Answer>; expires: number }>()

  /** `budget`: milliseconds for a token; `now`: a clock in milliseconds. */
  constructor(upstream: string, http: Http, backoff: Backoff, budget: number, now: () => number) {
    this.#upstream = upstream
    this.#http = http
    this.#backoff = backoff
    this.#budget = budget
    this.#now = now
  }

  /** A token, another one than `refused`. Throws `RemoteError`. */
  async get(question: TokenQuestion, refused?: string): Promise<string> {
    const key = [question.realm.href, question.service, question.scope].join('\n')
    const known = this.#known.get(key)
    if (!known || known.expires <= this.#now()) return await this.#fetch(key, question)
    const { token } = await known.answer
    if (token !== refused) return token
    if (this.#known.get(key) === known) this.#known.delete(key)
    return await this.get(question, refused)
  }

  async #fetch(key: string, question: TokenQuestion): Promise<string> {
    const topic = { kind: 'token', place: repositoryIn(question.scope) } as const
    const answer = this.#backoff.part(topic, () => this.#ask(question))
    const entry = { answer, expires: Number.POSITIVE_INFINITY }
    this.#known.delete(key)
    this.#known.set(key, entry)
    const [oldest] = this.#known.keys()
    if (this.#known.size > MOST_TOKENS && oldest !== undefined) this.#known.delete(oldest)
    try {
      const { token, lifetime } = await entry.answer
      entry.expires = this.#now() + lifetime * USED
      return token
    } catch (error) {
      if (this.#known.get(key) === entry) this.#known.delete(key)
      throw error
    }
  }

  async #ask({ realm, service, scope, authorization }: TokenQuestion): Promise<Answer> {
    const url = new URL(realm)
    if (service !== undefined) url.searchParams.set('service', service)
    if (scope !== '') url.searchParams.set('scope', scope)
    const request = new RemoteRequest(this.#upstream, 'GET', url)
    const late = () => request.error('timeout', `no token came within ${this.#budget / 1000} s`)
    const headers = { accept: 'application/json', 'accept-encoding': 'identity' }
    const reply = await within(this.#budget, late, signal =>
      this.#http.send(request, { headers, authorization, signal }),
    )
    if (reply.status !== 200) {
      discard(reply)
      throw refusal(request, reply, authorization !== undefined)
    }
    const bytes = await readBody(request, reply, MOST_TOKEN_BYTES, this.#budget)
    return parseAnswer(request, await parseObject(request, bytes, DOCUMENTS_HERE))
  }
}

/** Of a scope such as `repository:team/app:pull`. */
function repositoryIn(scope: string): string {
  return scope.split(':')[1] ?? ''
}

/** A realm that does not know us says nothing about the content: it must not pass for `unknown`. */
function refusal(request: RemoteRequest, reply: Reply, authorized: boolean): RemoteError {
  const { status } = reply
  if (status === 404) return request.error('failed', '404: there is no token endpoint')
  if (status !== 401 && status !== 403) return statusError(request, reply)
  return request.error(
    'refused',
    authorized
      ? `${status}: the username and password of this upstream are wrong`
      : `${status}: no token without a username and password, which this upstream has not got here`,
  )
}

function parseAnswer(request: RemoteRequest, answer: Record<string, unknown>): Answer {
  const token = answer.token ?? answer.access_token
  const { expires_in: seconds } = answer
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) {
    throw request.error('wrong', 'the answer has no token in it')
  }
  return { token, lifetime: (typeof seconds === 'number' && seconds > 0 ? seconds : LIFETIME) * 1000 }
}

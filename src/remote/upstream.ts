import { lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { finished } from 'node:stream'
import { DOCUMENTS_HERE, type Documents } from '../oci/documents.ts'
import { Authorization } from './authorization.ts'
import { Backoff, type Topic } from './backoff.ts'
import { bodyOf, readBody, statedLength } from './body.ts'
import { Circuit } from './circuit.ts'
import type { RemoteBlob } from './contract.ts'
import { within } from './deadline.ts'
import type { RemoteError } from './error.ts'
import { discard, Http, type Reply } from './http.ts'
import { RemoteRequest } from './request.ts'
import type { UpstreamSettings } from './settings.ts'
import { Slots } from './slots.ts'
import { statusError } from './status.ts'

/** Requests to one upstream at a time, those whose bodies are still read among them. */
const MOST_REQUESTS = 64

/** Those of them that may be transfers of blobs, so that slow ones leave room for the rest. */
const MAX_TRANSFERS = 48

/** A list with all its pages has this many times the budget of one document to begin its last page. */
const LIST_BUDGETS = 3

/** What is asked below the upstream's URL. */
export interface Question extends Topic {
  /** Begins with a slash; all but the query is encoded. */
  readonly path: string
  /** What a token is asked for where the upstream does not say. */
  readonly scope: string
  readonly headers?: Readonly<Record<string, string>>
}

/** The world around; each has a default. */
export interface Surroundings {
  readonly lookup?: LookupFunction
  /** A clock in milliseconds that is never put back. */
  readonly now?: () => number
  /** Parses what upstreams send. */
  readonly documents?: Documents
}

/** A request with its answer. */
interface Asked {
  readonly request: RemoteRequest
  readonly reply: Reply
}

/** With the whole body. */
export interface Document extends Asked {
  readonly bytes: Uint8Array
}

/** One upstream over HTTP, with its credentials, limits and times; what all kinds of upstreams share. */
export class Upstream {
  readonly documents: Documents
  readonly #settings: UpstreamSettings
  readonly #base: URL
  readonly #http: Http
  readonly #authorization: Authorization
  readonly #backoff: Backoff
  readonly #circuit: Circuit
  readonly #slots: Slots
  readonly #transfers: Slots
  readonly #now: () => number

  constructor(
    settings: UpstreamSettings,
    {
      lookup: resolve = lookup,
      now = () => performance.now(),
      documents = DOCUMENTS_HERE,
    }: Surroundings = {},
  ) {
    this.documents = documents
    this.#settings = settings
    this.#base = new URL(settings.url)
    this.#http = new Http(settings, resolve)
    this.#backoff = new Backoff(settings.name, now)
    this.#authorization = new Authorization(settings, this.#http, this.#backoff, now)
    this.#circuit = new Circuit(settings.name, now)
    this.#slots = new Slots(MOST_REQUESTS, this.#budget)
    this.#transfers = new Slots(MAX_TRANSFERS, this.#budget)
    this.#now = now
  }

  get name(): string {
    return this.#settings.name
  }

  /** Milliseconds for the head of an answer, and once more for a document after it. Read for each request. */
  get #budget(): number {
    return this.#settings.connectTimeout + this.#settings.idleTimeout
  }

  /** The answer to a HEAD, of use for its headers. Throws `RemoteError`, as all others do. */
  async head(question: Question): Promise<Asked> {
    const asked = await this.#ask('HEAD', question)
    discard(asked.reply)
    return asked
  }

  /** The size that the answer to a HEAD states, in bytes. */
  async size(question: Question): Promise<number | undefined> {
    const { request, reply } = await this.head(question)
    return statedLength(request, reply)
  }

  /** A whole document of at most `max` bytes. */
  async document(question: Question, max: number): Promise<Document> {
    const { request, reply } = await this.#ask('GET', question)
    return { request, reply, bytes: await readBody(request, reply, max, this.#budget) }
  }

  /** Bytes as they come. `start` asks for those from there on. */
  async blob(question: Question, start = 0): Promise<RemoteBlob> {
    const max = this.#settings.maxBlobSize
    const range = start > 0 ? { range: `bytes=${start}-` } : {}
    const asked = { ...question, headers: { ...question.headers, ...range } }
    const release = await this.#transfers.take()
    if (!release) throw this.#crowded(this.#request('GET', question), MAX_TRANSFERS)
    const { request, reply } = await this.#ask('GET', asked).catch(error => {
      release()
      throw error
    })
    finished(reply.body, release)
    try {
      const stated = statedLength(request, reply, max)
      const size = start > 0 ? restOf(request, reply, start, stated) : stated
      const body = bodyOf(request, reply, max, { size, now: this.#now })
      return { size, body, cancel: () => reply.body.destroy() }
    } catch (error) {
      discard(reply)
      throw error
    }
  }

  /** For the pages of one list: throws a `RemoteError` (`timeout`) once they take too long in all. */
  walk(): (request: RemoteRequest) => void {
    const time = LIST_BUDGETS * this.#budget
    const end = this.#now() + time
    return request => {
      if (this.#now() > end) throw request.error('timeout', `the list was not here after ${time / 1000} s`)
    }
  }

  async close(): Promise<void> {
    await this.#http.close()
  }

  /** An answer that is a success. */
  async #ask(method: 'GET' | 'HEAD', question: Question): Promise<Asked> {
    const request = this.#request(method, question)
    const release = await this.#slots.take()
    if (!release) throw this.#crowded(request, MOST_REQUESTS)
    try {
      const answer = () => this.#circuit.run(() => this.#answer(request, question))
      const reply = await this.#backoff.run(question, answer)
      finished(reply.body, release)
      return { request, reply }
    } catch (error) {
      release()
      throw error
    }
  }

  #request(method: 'GET' | 'HEAD', question: Question): RemoteRequest {
    const [path = '', query] = question.path.split('?', 2)
    const url = new URL(this.#base)
    url.pathname = `${this.#base.pathname.replace(/\/+$/, '')}${path}`
    url.search = query ?? ''
    return new RemoteRequest(this.name, method, url)
  }

  #crowded(request: RemoteRequest, max: number): RemoteError {
    return request.error('busy', `${max} requests are under way already`, { retryAfter: 1 })
  }

  async #answer(request: RemoteRequest, question: Question): Promise<Reply> {
    const late = () => request.error('timeout', `no answer within ${this.#budget / 1000} s`)
    const reply = await within(this.#budget, late, signal => this.#authorized(request, question, signal))
    const { 'content-encoding': encoding = 'identity' } = reply.headers
    const success = reply.status === 200 || (reply.status === 206 && question.headers?.range !== undefined)
    if (success && encoding === 'identity') return reply
    discard(reply)
    if (!success) throw statusError(request, reply)
    throw request.error('wrong', `the answer is encoded as ${encoding.slice(0, 20)}, which was not asked for`)
  }

  /** Asks with what is known of the upstream's wishes, and once more where it says 401. */
  async #authorized(
    request: RemoteRequest,
    { scope, headers }: Question,
    signal: AbortSignal,
  ): Promise<Reply> {
    const sent = {
      headers: { 'accept-encoding': 'identity', 'user-agent': 'memflow-registry', ...headers },
      signal,
    }
    const authorization = await this.#authorization.known(request, scope)
    const reply = await this.#http.send(request, { ...sent, authorization })
    if (reply.status !== 401 || !reply.own) return reply
    discard(reply)
    const challenge = reply.headers['www-authenticate']
    const better = await this.#authorization.answer(request, scope, challenge, authorization)
    return await this.#http.send(request, { ...sent, authorization: better })
  }
}

/** The length of all from the start on (RFC 9110, 14.4). Throws where that is not what is sent. */
function restOf(
  request: RemoteRequest,
  { status, headers }: Reply,
  start: number,
  stated: number | undefined,
): number {
  const { 'content-range': range = '' } = headers
  const [, first, last, total] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(range) ?? []
  const whole = total === '*' || Number(last) + 1 === Number(total)
  const length = Number(last) - start + 1
  if (status === 206 && Number(first) === start && whole && (stated ?? length) === length) return length
  throw request.error('wrong', `it does not send the bytes from ${start} on, which it was asked for`)
}

import type { LookupFunction } from 'node:net'
import type { Readable } from 'node:stream'
import type { Agent } from 'undici'
import { connectionError, isCut } from './connection-error.ts'
import { connectorOf } from './connector.ts'
import { undici } from './on-demand.ts'
import type { RemoteRequest } from './request.ts'
import type { UpstreamSettings } from './settings.ts'

const REDIRECTS = new Set([301, 302, 303, 307, 308])
const MOST_REDIRECTS = 5

const MOST_HEADER_BYTES = 32 * 1024

/** The head of an answer, and its body on the way: it has to be read, or given up by `discard`. */
export interface Reply {
  readonly status: number
  /** Names in lower case; values of repeated ones with commas between. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Readable
  /** Whether it came from the origin that was asked, not from where that sent us. */
  readonly own: boolean
}

interface Sent {
  readonly headers: Readonly<Record<string, string>>
  /** For the origin of the request alone. */
  readonly authorization?: string | undefined
  /** Ends the request until the head of the answer is there. */
  readonly signal: AbortSignal
}

/** HTTP to one upstream and to where it sends us. Connections are kept; how many is up to who asks. */
export class Http {
  readonly #agent: Agent

  constructor(settings: UpstreamSettings, lookup: LookupFunction) {
    const { Agent } = undici()
    this.#agent = new Agent({
      connect: connectorOf(settings, lookup),
      bodyTimeout: settings.idleTimeout,
      headersTimeout: 0,
      maxHeaderSize: MOST_HEADER_BYTES,
    })
  }

  /** The answer, whatever its status, after redirects. Throws `RemoteError`. */
  async send(request: RemoteRequest, { headers, authorization, signal }: Sent): Promise<Reply> {
    let { url } = request
    let credentials = authorization
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
      const reply = await this.#once(request, url, {
        headers: credentials === undefined ? headers : { ...headers, authorization: credentials },
        signal,
      })
      const { location } = reply.headers
      if (location === undefined || !REDIRECTS.has(reply.status)) return reply
      discard(reply)
      const next = redirection(request, url, location)
      // For good: what a stranger sends back here has not been asked by us.
      if (next.origin !== url.origin) credentials = undefined
      url = next
    }
    throw request.error('wrong', `it redirects more than ${MOST_REDIRECTS} times`)
  }

  /** Cuts what is under way. */
  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async #once(
    request: RemoteRequest,
    url: URL,
    sent: Omit<Sent, 'authorization'>,
    again = true,
  ): Promise<Reply> {
    const own = url.origin === request.url.origin
    try {
      const { statusCode, headers, body } = await this.#agent.request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method: request.method,
        ...sent,
      })
      // Who reads it hears of errors from the read; nobody needs to hear of those of a body that is given up.
      body.on('error', () => {})
      const joined = Object.entries(headers).map(([name, value]) => [name, value?.toString()])
      return { status: statusCode, headers: Object.fromEntries(joined), body, own }
    } catch (error) {
      if (again && isCut(error) && !sent.signal.aborted) return await this.#once(request, url, sent, false)
      throw connectionError(request, error, 'head', own ? '' : `redirected to ${url.origin}: `)
    }
  }
}

/** Gives the body up; a short one is read, so that its connection stays of use. */
export function discard({ body }: Pick<Reply, 'body'>): void {
  const { dump } = body as Readable & { dump(options: { limit: number; signal: AbortSignal }): Promise<void> }
  void dump.call(body, { limit: 16 * 1024, signal: AbortSignal.timeout(1000) }).catch(() => {})
}

function redirection(request: RemoteRequest, from: URL, location: string): URL {
  if (!URL.canParse(location, from.href)) throw request.error('wrong', 'it redirects to what is no URL')
  const to = new URL(location, from)
  if (to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:')) return to
  throw request.error('refused', `it redirects from ${from.protocol} to ${to.protocol}, which is not safe`)
}

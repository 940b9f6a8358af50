import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { buffer } from 'node:stream/consumers'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export type Headers = Readonly<Record<string, string>>

/** Requests over connections that are kept; by node:http, which costs less than fetch. */
export class Client {
  readonly #url: string
  readonly #headers: Headers
  readonly #agent: Agent

  /** `headers` go with every request. */
  constructor(url: string, connections = 1, headers: Headers = {}) {
    this.#url = url
    this.#headers = headers
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections })
  }

  /** `path` may be a whole URL, as a Location is. */
  ask(method: string, path: string, headers: Headers = {}, body: readonly Buffer[] = []): Promise<Answer> {
    const length = body.reduce((sum, { length }) => sum + length, 0)
    const options = {
      method,
      agent: this.#agent,
      headers: { ...this.#headers, ...headers, ...(method !== 'GET' && { 'content-length': length }) },
    }
    return new Promise((resolve, reject) => {
      const req = request(new URL(path, this.#url), options, res => {
        buffer(res).then(
          bytes => resolve({ status: res.statusCode ?? 0, headers: res.headers, body: bytes }),
          reject,
        )
      })
      req.on('error', reject)
      for (const part of body) req.write(part)
      req.end()
    })
  }

  /** As `ask`. Throws where the status is another. */
  async expect(
    status: number,
    method: string,
    path: string,
    headers: Headers = {},
    body: readonly Buffer[] = [],
  ): Promise<Answer> {
    const answer = await this.ask(method, path, headers, body)
    if (answer.status !== status)
      throw new Error(`${method} ${path}: ${answer.status} ${answer.body.toString().slice(0, 300)}`)
    return answer
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** Does the work on each item, on so many at a time. */
export async function inParallel<T>(
  workers: number,
  items: Iterable<T>,
  work: (item: T) => Promise<void>,
): Promise<void> {
  // One iterator for all: each takes the next item as soon as it is free.
  const left = items[Symbol.iterator]()
  const take = async () => {
    for (let next = left.next(); !next.done; next = left.next()) await work(next.value)
  }
  await Promise.all(Array.from({ length: workers }, take))
}

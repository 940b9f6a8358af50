import { Agent, type IncomingMessage, request } from 'node:http'
import type { Random } from '../support/random.ts'
import { TOKEN } from '../support/server.ts'
import { type Answer, HungUp, RegistryClient } from './registry-client.ts'

/** The longest that a request may take. It is generous because the machine may be busy. */
const STALLED_MS = 90_000

/** Reports each request, with its status or `cut`. */
export type OnRequest = (kind: string, outcome: string, path: string) => void

interface Sent {
  readonly headers: Record<string, string>
  readonly body?: Buffer
}

/** A client with an address of its own on the loopback interface, and with connections that it can cut and close. */
export class ChaosRequests extends RegistryClient {
  readonly #agent = new Agent({ keepAlive: true })
  readonly #localAddress: string
  readonly #onRequest: OnRequest
  /** Cuts the next request after a random time. */
  #cut: Random | undefined

  /** `n` makes the address. */
  constructor(url: string, n: number, onRequest: OnRequest) {
    super(url)
    this.#localAddress = `127.0.${1 + (n >> 7)}.${1 + (n & 127)}`
    this.#onRequest = onRequest
  }

  /** The next request is cut a few milliseconds after it began, if it has not been answered by then. */
  cutNext(random: Random): void {
    this.#cut = random
  }

  override async ask(
    method: string,
    path: string,
    body?: Buffer | FormData,
    headers: Record<string, string> = { 'content-type': 'application/octet-stream' },
  ): Promise<Answer> {
    return this.#counted(
      method,
      path,
      body instanceof FormData ? await encode(body) : body && { body, headers },
    )
  }

  /** Without a body, with headers such as Range. */
  read(method: 'GET' | 'HEAD', path: string, headers: Record<string, string>): Promise<Answer> {
    return this.#counted(method, path, { headers })
  }

  async #counted(method: string, path: string, sent?: Sent): Promise<Answer> {
    const kind = kindOf(method, path)
    try {
      const answer = await this.#send(method, path, sent)
      this.#onRequest(kind, String(answer.status), path)
      return answer
    } catch (error) {
      const { name, message, code } = error as NodeJS.ErrnoException
      this.#onRequest(kind, name === 'TimeoutError' ? 'STALLED' : 'cut', path)
      throw new HungUp(`${method} ${path}: ${code ?? name} ${message}`, { cause: error })
    }
  }

  /** Closes the connections that are kept open for the next request. */
  close(): void {
    this.#agent.destroy()
  }

  #send(method: string, path: string, sent?: Sent): Promise<Answer> {
    const cut = this.#cut
    this.#cut = undefined
    return new Promise((resolve, reject) => {
      const outgoing = request(new URL(path, this.url), {
        method,
        agent: cut ? false : this.#agent,
        localAddress: this.#localAddress,
        headers: {
          authorization: `Bearer ${TOKEN}`,
          ...sent?.headers,
          ...(sent?.body && { 'content-length': sent.body.length }),
        },
        signal: AbortSignal.timeout(STALLED_MS),
      })
      outgoing.on('error', reject)
      outgoing.on('response', response => {
        collect(response).then(
          bytes => resolve({ status: response.statusCode ?? 0, bytes, headers: headersOf(response) }),
          reject,
        )
      })
      if (cut) cutLater(outgoing, cut)
      outgoing.end(sent?.body)
    })
  }
}

function cutLater(outgoing: ReturnType<typeof request>, random: Random): void {
  const reset = random.oneIn(2)
  const late = setTimeout(
    () => {
      if (reset && outgoing.socket) outgoing.socket.resetAndDestroy()
      outgoing.destroy()
    },
    random.oneIn(2) ? random.below(4) : random.below(30),
  )
  outgoing.once('close', () => clearTimeout(late))
}

async function collect(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  if (!response.complete) throw new Error('the answer is not complete')
  return Buffer.concat(chunks)
}

function headersOf({ headers }: IncomingMessage): Headers {
  return new Headers(
    Object.entries(headers).flatMap(([name, value]): [string, string][] =>
      value === undefined ? [] : [[name, String(value)]],
    ),
  )
}

async function encode(form: FormData): Promise<Sent> {
  const encoded = new Response(form)
  const type = encoded.headers.get('content-type') ?? ''
  return { body: Buffer.from(await encoded.arrayBuffer()), headers: { 'content-type': type } }
}

/** Such as `PUT manifests`: what requests are counted by. */
export function kindOf(method: string, path: string): string {
  const [part = ''] =
    /\/(?:manifests|blobs\/uploads|blobs|tags|referrers)\//.exec(path) ??
    /^\/(?:files|plugins|health|ready|token|ops\/\w+|v2\/_catalog)/.exec(path) ??
    []
  return `${method} ${part.replace(/^\/|\/$/g, '') || path}`
}

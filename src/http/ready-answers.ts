import { isAscii } from 'node:buffer'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context, Next } from 'koa'

/** Says whether an answer would be the same now. */
type Unchanged = () => boolean

interface Answer {
  /** Names and values in turn. */
  readonly headers: readonly string[]
  readonly body: Buffer | string
  readonly size: number
  readonly unchanged: Unchanged
  /** Whether HEAD may be answered with it. */
  readonly heads: boolean
  used: boolean
}

/** Of an answer beside its body, in bytes: its headers are texts of their own. Measured with 20,000 of them. */
const OVERHEAD = 4096

/** Smaller bodies go out with their headers in one write. */
const ONE_WRITE = 64 * 1024

/** How many paths are remembered that were asked for once. */
const ASKED = 8192

/** Whoever makes up longer ones shall not fill the memory with them. */
const LONGEST = 1024

/** Each response has its own. */
export const REQUEST_ID = 'x-request-id'

/** What makes an answer another than the last one, or has to be looked at. */
const TELLING = new Set(['content-length', 'if-none-match', 'origin', 'range', 'transfer-encoding'])

/**
 * Answers of what is asked for again and again, ready to be written: up to so many bytes, those asked for longest ago
 * go first. An answer is sent only while the rows that it was made of are as they were, so that nothing is served that was deleted.
 */
export class ReadyAnswers {
  readonly #most: number
  readonly #mayRead: (authorization: string) => boolean
  readonly #answers = new Map<string, Answer>()
  readonly #asked = new Set<string>()
  #size = 0

  /** `most` in bytes; 0 keeps none. `mayRead` judges credentials, without which reading is open to all. */
  constructor(most: number, mayRead: (authorization: string) => boolean) {
    this.#most = most
    this.#mayRead = mayRead
  }

  /** Answers the request, if it can: returns the bytes of the body. */
  send(req: IncomingMessage, res: ServerResponse, id: string): number | undefined {
    if (req.method !== 'GET' && req.method !== 'HEAD') return undefined
    const answer = this.#answers.get(req.url ?? '')
    if (!answer || !isPlain(req, this.#mayRead) || (req.method === 'HEAD' && !answer.heads)) return undefined
    if (!answer.unchanged()) {
      this.#drop(req.url ?? '', answer)
      this.#note(req.url ?? '')
      return undefined
    }
    answer.used = true
    res.writeHead(200, [REQUEST_ID, id, ...answer.headers])
    if (req.method === 'HEAD') {
      res.end()
      return 0
    }
    res.end(answer.body, 'latin1')
    return answer.body.length
  }

  /** Whether a body of so many bytes is worth the memory: it was asked for before. */
  wants(ctx: Context, size: number): boolean {
    if (size > this.#most / 8 || ctx.method !== 'GET' || !isPlain(ctx.req, this.#mayRead)) return false
    return this.#isAskedAgain(ctx)
  }

  /** Keeps what the handlers make, where they have said by `standsOn` how long it holds. */
  readonly keep = async (ctx: Context, next: Next): Promise<void> => {
    ctx.state.ready = this
    await next()
    const { body, status } = ctx
    const unchanged = ctx.state.unchanged as Unchanged | undefined
    if (!unchanged || status !== 200 || ctx.method !== 'GET' || !isPlain(ctx.req, this.#mayRead)) return
    if (typeof body !== 'string' && !Buffer.isBuffer(body)) return
    // `wants` has noted the request for a body that was read for this.
    if (ctx.state.wanted || this.#isAskedAgain(ctx)) this.#add(ctx, Buffer.from(body as string), unchanged)
  }

  /** Whoever reads all there is once shall not drive out what is read again and again. */
  #isAskedAgain({ req: { url = '' } }: Context): boolean {
    const asked = this.#asked.delete(url)
    if (!asked && url.length <= LONGEST) this.#note(url)
    return asked
  }

  #note(url: string): void {
    this.#asked.add(url)
    if (this.#asked.size > ASKED) this.#asked.delete(this.#asked.values().next().value as string)
  }

  #add(ctx: Context, bytes: Buffer, unchanged: Unchanged): void {
    const url = ctx.req.url ?? ''
    const size = bytes.length + url.length + OVERHEAD
    if (size > this.#most / 8 || !unchanged()) return
    const body = bytes.length < ONE_WRITE && isAscii(bytes) ? bytes.toString('latin1') : bytes
    const headers = Object.entries(ctx.res.getHeaders()).flatMap(([name, value]) =>
      name === REQUEST_ID ? [] : [name, String(value)],
    )
    const old = this.#answers.get(url)
    if (old) this.#drop(url, old)
    // Whether the file of a blob is still there and sound is not told by rows: by HEAD clients ask whether to push it.
    const heads = ctx.state.wanted !== true
    this.#answers.set(url, { headers, body, size, unchanged, heads, used: false })
    this.#size += size
    this.#shrink()
  }

  /** The oldest first; one that was used since it came or was spared is spared once more. */
  #shrink(): void {
    for (const [url, answer] of this.#answers) {
      if (this.#size <= this.#most) return
      this.#drop(url, answer)
      if (!answer.used) continue
      answer.used = false
      this.#answers.set(url, answer)
      this.#size += answer.size
    }
  }

  #drop(url: string, answer: Answer): void {
    this.#answers.delete(url)
    this.#size -= answer.size
  }
}

/** The answer is the same for as long as this says so. To be called before what it is made of is read. */
export function standsOn(ctx: Context, unchanged: Unchanged): void {
  ctx.state.unchanged = unchanged
}

/** Whether to make the body one buffer, of so many bytes, so that it can be kept. */
export function isWanted(ctx: Context, size: number): boolean {
  const unchanged = ctx.state.unchanged as Unchanged | undefined
  ctx.state.wanted = unchanged?.() === true && (ctx.state.ready as ReadyAnswers).wants(ctx, size)
  return ctx.state.wanted
}

/** Whether the request asks for what everybody gets who asks for this path. */
function isPlain({ rawHeaders }: IncomingMessage, mayRead: (authorization: string) => boolean): boolean {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase()
    if (TELLING.has(name) || (name === 'authorization' && !mayRead(rawHeaders[i + 1] as string))) return false
  }
  return true
}

import { type ClientRequest, get, type IncomingMessage } from 'node:http'

interface ReaderOptions {
  readonly range?: string
  /** Takes the head of the answer, and no byte of the body before `resume`. */
  readonly paused?: boolean
}

/** A client that reads a blob as it comes, compares it with what it should be, and keeps nothing of it. */
export class Reader {
  /** The first byte; rejects where none comes. */
  readonly first: Promise<void>
  /** The last byte. Rejects where the answer is not that blob, or is cut off. */
  readonly done: Promise<void>
  status = 0
  /** Bytes, all of them right. */
  received = 0
  readonly #request: ClientRequest
  #answer: IncomingMessage | undefined

  constructor(url: string, expected: Buffer, { range, paused = false }: ReaderOptions = {}) {
    const headers = range === undefined ? {} : { range }
    // A connection of its own: others must not wait for who reads slowly.
    this.#request = get(url, { agent: false, headers })
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      this.#request.on('response', resolve).on('error', reject)
    })
    this.first = answered.then(answer => this.#begin(answer, paused))
    this.done = answered.then(answer => this.#read(answer, expected))
    for (const promise of [this.first, this.done]) promise.catch(() => {})
  }

  resume(): void {
    this.#answer?.resume()
  }

  /** Cuts the connection. */
  leave(): void {
    this.#request.destroy()
  }

  #begin(answer: IncomingMessage, paused: boolean): Promise<void> {
    this.#answer = answer
    this.status = answer.statusCode ?? 0
    return new Promise((resolve, reject) => {
      answer.once('data', () => resolve()).on('close', () => reject(new Error('it ended before')))
      if (paused) answer.pause()
    })
  }

  #read(answer: IncomingMessage, expected: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      answer.on('data', (chunk: Buffer) => {
        const wanted = expected.subarray(this.received, this.received + chunk.length)
        this.received += chunk.length
        if (!chunk.equals(wanted)) this.#request.destroy(new Error(`wrong bytes before ${this.received}`))
      })
      answer.on('error', reject).on('end', () => {
        if (this.received === expected.length) resolve()
        else reject(new Error(`${this.received} bytes of ${expected.length}`))
      })
    })
  }
}

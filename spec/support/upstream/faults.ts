import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { errorAnswer, type SoundAnswer } from './answers.ts'

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** What it would get without a fault. */
  readonly answer: SoundAnswer
}

/** Answers a request in a way that it should not be answered. */
export type Fault = (exchange: Exchange) => void | Promise<void>

/** Sends an answer as it is; to a HEAD its headers alone. */
export function send({ request, response }: Exchange, { status, headers, body }: SoundAnswer): void {
  response.writeHead(status, headers).end(request.method === 'HEAD' ? undefined : body)
}

/** Another answer in place of the sound one. */
function instead(change: (answer: SoundAnswer) => SoundAnswer): Fault {
  return exchange => send(exchange, change(exchange.answer))
}

/** Takes the request and never answers. */
export const blackhole: Fault = () => {}

/** Ends the connection without an answer. */
export const hangUp: Fault = ({ response }) => {
  response.socket?.destroy()
}

/** The sound answer, so many milliseconds later. */
export function late(time: number): Fault {
  return async exchange => {
    await sleep(time)
    send(exchange, exchange.answer)
  }
}

/** The sound answer, when it is released. */
export function held(): { readonly fault: Fault; release(): void } {
  let release = () => {}
  const released = new Promise<void>(resolve => {
    release = resolve
  })
  return {
    fault: async exchange => {
      await released
      send(exchange, exchange.answer)
    },
    release: () => release(),
  }
}

/** The sound answer at so many bytes a second, in pieces, each `every` milliseconds. */
export function trickle(rate: number, every = 20): Fault {
  return async ({ response, answer: { status, headers, body } }) => {
    response.writeHead(status, headers).flushHeaders()
    const piece = Math.max(1, Math.round((rate * every) / 1000))
    for (let at = 0; at < body.length && !response.destroyed; at += piece) {
      response.write(body.subarray(at, at + piece))
      await sleep(every)
    }
    response.end()
  }
}

/** So many bytes of the body, and no more, with the connection left open. */
export function stalled(after: number): Fault {
  return ({ response, answer: { status, headers, body } }) => {
    response.writeHead(status, headers).write(body.subarray(0, after))
  }
}

/** So many bytes of the body, then the end of the connection: `reset`, or in order. */
export function cut(after: number, how: 'reset' | 'end'): Fault {
  return async ({ response, answer: { status, headers, body } }) => {
    const { socket } = response
    await new Promise(sent => response.writeHead(status, headers).write(body.subarray(0, after), sent))
    // What was sent is to be there before: a reset throws away what the other side has not read. The turn of the event
    // loop lets a client in this process read first, if the process itself was kept waiting.
    await sleep(30)
    await turn()
    if (how === 'reset') socket?.resetAndDestroy()
    else socket?.end()
  }
}

/** The body again and again, without a length, as fast as it is taken. */
export const endless: Fault = async ({ response, answer: { status, headers, body } }) => {
  const { 'content-length': _, ...rest } = headers
  response.writeHead(status, rest)
  const closed = once(response, 'close')
  while (!response.destroyed) {
    if (!response.write(body)) {
      await Promise.race([once(response, 'drain'), closed])
    }
  }
}

/** A body of the same length with its first byte changed. */
export const wrongBytes: Fault = instead(answer => {
  const body = Buffer.from(answer.body)
  body[0] = (body[0] ?? 0) ^ 1
  return { ...answer, body }
})

/** Other headers beside the sound ones, or in their place. */
export function headers(more: Readonly<Record<string, string>>): Fault {
  return instead(answer => ({ ...answer, headers: { ...answer.headers, ...more } }))
}

/** The same without a header. */
export function without(name: string): Fault {
  return instead(answer => {
    const { [name]: _, ...rest } = answer.headers
    return { ...answer, headers: rest }
  })
}

/** Another body, with its length; whatever else the headers say stays. */
export function body(text: string): Fault {
  return instead(answer => {
    const bytes = Buffer.from(text)
    return { ...answer, headers: { ...answer.headers, 'content-length': String(bytes.length) }, body: bytes }
  })
}

export function status(code: number, more: Record<string, string> = {}): Fault {
  return instead(() => errorAnswer(code, 'UNKNOWN', more))
}

export function redirect(location: string, code = 307): Fault {
  return instead(() => errorAnswer(code, 'UNKNOWN', { location }))
}

/** Compressed, though nobody asked for it. */
export const gzipped: Fault = instead(answer => {
  const bytes = gzipSync(answer.body)
  const coding = { 'content-encoding': 'gzip', 'content-length': String(bytes.length) }
  return { ...answer, headers: { ...answer.headers, ...coding }, body: bytes }
})

/** What no HTTP client understands. */
export const noHttp: Fault = ({ response }) => {
  response.socket?.end('SSH-2.0-OpenSSH_9.6\r\n')
}

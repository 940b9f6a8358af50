import net from 'node:net'
import tls from 'node:tls'
import { Answer } from './answer.ts'

/** A connection to the registry, for requests that no HTTP library would send. */
export function connect(url: URL): Promise<net.Socket> {
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return new Promise((resolve, reject) => {
    const socket =
      url.protocol === 'https:'
        ? tls.connect({ host, port, servername: host }, () => resolve(socket))
        : net.connect({ host, port }, () => resolve(socket))
    socket.on('error', reject)
  })
}

/** What came back: an answer, or a connection closed without one. */
export type Outcome = Answer | 'closed'

/**
 * Milliseconds that the registry has for an answer before the client ends its side, which may cut the answer off. It is
 * the answer to what was sent without its end, so a registry that waits for the end has to see it at some time.
 */
const PATIENCE = 200

/** A piece of the request (a string is bytes, one a character), or the end of what the client sends. */
export type Piece = string | Uint8Array | typeof END

export const END = Symbol('end')

/**
 * Sends the bytes as they are and reads until the first final answer is whole or the connection ends.
 * Rejects when the deadline passes first: that is a hang.
 */
export async function exchange(
  url: URL,
  title: string,
  pieces: Iterable<Piece>,
  deadline = 120_000,
): Promise<Outcome> {
  const socket = await connect(url)
  // Errors of writing are no outcome: the registry may have answered and closed before it read everything.
  socket.on('error', () => {})
  const received: Buffer[] = []
  try {
    return await new Promise<Outcome>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${title}: no answer within ${deadline} ms`)), deadline)
      const settle = (outcome: Outcome) => {
        clearTimeout(timer)
        resolve(outcome)
      }
      socket.on('data', data => {
        received.push(data)
        const answer = parse(title, Buffer.concat(received), false)
        if (answer !== undefined) settle(answer)
      })
      socket.on('close', () => settle(parse(title, Buffer.concat(received), true) ?? 'closed'))
      for (const piece of pieces) {
        if (piece === END) setTimeout(() => socket.end(), PATIENCE)
        else socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)
      }
    })
  } finally {
    socket.destroy()
  }
}

/** The first final answer in the bytes, or undefined while it is not whole. */
function parse(title: string, bytes: Buffer, ended: boolean): Answer | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [line = '', ...fields] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(line)?.[1] ?? 0)
  const rest = bytes.subarray(end + 4)
  if (status >= 100 && status < 200) return parse(title, rest, ended)
  const headers: Record<string, string> = {}
  for (const field of fields) {
    const colon = field.indexOf(':')
    headers[field.slice(0, colon).toLowerCase()] = field.slice(colon + 1).trim()
  }
  const body = wholeBody(title, status, headers, rest, ended)
  return body === undefined ? undefined : new Answer(title, status, headers, body)
}

function wholeBody(
  title: string,
  status: number,
  headers: Record<string, string>,
  rest: Buffer,
  ended: boolean,
) {
  if (/^HEAD /.test(title) || status === 204 || status === 304) return Buffer.alloc(0)
  if (/chunked/i.test(headers['transfer-encoding'] ?? '')) return dechunk(rest) ?? (ended ? rest : undefined)
  const length = headers['content-length']
  if (length === undefined) return ended ? rest : undefined
  return rest.length >= Number(length) || ended ? rest.subarray(0, Number(length)) : undefined
}

function dechunk(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = []
  for (let at = 0; ; ) {
    const line = bytes.indexOf('\r\n', at)
    if (line < 0) return undefined
    const size = Number.parseInt(bytes.toString('latin1', at, line), 16)
    if (!(size > 0)) return Buffer.concat(parts)
    if (bytes.length < line + 2 + size + 2) return undefined
    parts.push(bytes.subarray(line + 2, line + 2 + size))
    at = line + 2 + size + 2
  }
}

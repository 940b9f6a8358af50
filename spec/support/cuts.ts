import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A request as it goes over the wire. */
export interface RawRequest {
  readonly method: string
  readonly path: string
  readonly headers?: readonly string[]
  readonly body?: Uint8Array
}

/** Breaks a connection off in some way, with these bytes of requests on it. */
export type Cut = (socket: Socket, head: Buffer, body: Buffer) => Promise<void>

/** So many requests of the same kind on one connection. */
const PIPELINED = 6

/** Every way to break off, by what the client had done. */
export const CUTS: Readonly<Record<string, Cut>> = {
  'half a head, reset': async (socket, head) => {
    await send(socket, head.subarray(0, head.length >> 1))
    socket.resetAndDestroy()
  },
  'half a head, half-closed': async (socket, head) => {
    socket.end(head.subarray(0, head.length >> 1))
  },
  'the head alone, reset': async (socket, head) => {
    await send(socket, head)
    socket.resetAndDestroy()
  },
  'half a body, reset': async (socket, head, body) => {
    await send(socket, Buffer.concat([head, body.subarray(0, body.length >> 1)]))
    socket.resetAndDestroy()
  },
  'half a body, half-closed': async (socket, head, body) => {
    socket.end(Buffer.concat([head, body.subarray(0, body.length >> 1)]))
  },
  'a whole request, reset at once': async (socket, head, body) => {
    socket.write(Buffer.concat([head, body]))
    socket.resetAndDestroy()
  },
  'a whole request, reset soon': async (socket, head, body) => {
    await send(socket, Buffer.concat([head, body]))
    socket.resetAndDestroy()
  },
  'a whole request, half-closed at once': async (socket, head, body) => {
    socket.end(Buffer.concat([head, body]))
  },
  'the first bytes of the response, reset': async (socket, head, body) => {
    socket.write(Buffer.concat([head, body]))
    await first(socket)
    socket.resetAndDestroy()
  },
  'the first bytes of the response, half-closed': async (socket, head, body) => {
    socket.write(Buffer.concat([head, body]))
    await first(socket)
    socket.end()
  },
  'pipelined requests, reset': async (socket, head, body) => {
    await send(socket, many(head, body))
    socket.resetAndDestroy()
  },
  'pipelined requests and the first bytes, reset': async (socket, head, body) => {
    socket.write(many(head, body))
    await first(socket)
    socket.resetAndDestroy()
  },
  'pipelined requests, half-closed': async (socket, head, body) => {
    socket.end(many(head, body))
  },
  'pipelined requests and the first bytes, closed': async (socket, head, body) => {
    socket.write(many(head, body))
    await first(socket)
    socket.destroy()
  },
  'pipelined requests and then what is not HTTP': async (socket, head, body) => {
    socket.write(Buffer.concat([many(head, body), Buffer.from('\0\r\n\r\n')]))
    await first(socket)
    socket.end()
  },
}

/** Sends the request over a connection of its own and breaks it off; resolves when the client's side is closed. */
export async function cutOff(url: string, request: RawRequest, cut: Cut): Promise<void> {
  const { method, path, headers = [], body = Buffer.alloc(0) } = request
  const length = method === 'GET' || method === 'HEAD' ? [] : [`Content-Length: ${body.length}`]
  const head = [`${method} ${path} HTTP/1.1`, 'Host: x', ...headers, ...length, '', ''].join('\r\n')
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => {})
  const closed = new Promise(resolve => socket.once('close', resolve))
  await once(socket, 'connect')
  await cut(socket, Buffer.from(head), Buffer.from(body))
  // What half-closes has to read the end of the other half.
  socket.resume()
  await closed
}

function many(head: Buffer, body: Buffer): Buffer {
  return Buffer.concat(Array.from({ length: PIPELINED }, () => [head, body]).flat())
}

/** Lets the server have the bytes before whatever comes next: a reset takes them back that it has not read. */
async function send(socket: Socket, bytes: Uint8Array): Promise<void> {
  await new Promise(resolve => socket.write(bytes, resolve))
  await new Promise(resolve => setTimeout(resolve, 10))
}

/** The first bytes that come, and no more; also the end of the connection. */
async function first(socket: Socket): Promise<void> {
  await new Promise<void>(resolve => {
    socket.once('close', () => resolve())
    socket.once('data', () => {
      socket.pause()
      resolve()
    })
  })
}

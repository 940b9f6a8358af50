import type { ServerResponse } from 'node:http'
import type { Context } from 'koa'
import { RegistryError } from '../oci/errors.ts'
import { clientHasGone } from './client-gone.ts'

/** What clients may make this process hold in memory, over all connections, in bytes. */
const MOST_BYTES = 128 * 1024 * 1024

/** Bodies up to this size in bytes are not counted: the number of connections limits them. */
export const UNCOUNTED_BYTES = 64 * 1024

/** Bodies of requests and responses that are held in memory as a whole, for as long as their clients take. */
export class HeldMemory {
  readonly #most: number
  readonly #byResponse = new WeakMap<ServerResponse, number>()
  #bytes = 0

  /** `most` in bytes. */
  constructor(most: number) {
    this.#most = most
  }

  /** Bytes held now. */
  get bytes(): number {
    return this.#bytes
  }

  /** Counts the bytes until the response has ended or its connection is closed. Throws `OVERLOADED` if they are too many. */
  hold(res: ServerResponse, bytes: number): void {
    if (res.closed) throw clientHasGone()
    if (this.#bytes + bytes > this.#most)
      throw new RegistryError('OVERLOADED', { headers: { 'Retry-After': '5' } })
    const held = this.#byResponse.get(res)
    if (held === undefined) {
      res.once('close', () => {
        this.#bytes -= this.#byResponse.get(res) ?? 0
        this.#byResponse.delete(res)
      })
    }
    this.#byResponse.set(res, (held ?? 0) + bytes)
    this.#bytes += bytes
  }
}

/** Of this process, whose memory is one. */
export const heldMemory = new HeldMemory(MOST_BYTES)

/** Counts a body that a handler has made as a whole: a client that reads slowly holds its copy. Throws `OVERLOADED`. */
export function holdBody(ctx: Context): void {
  const { body } = ctx
  if (ctx.method === 'HEAD' || (typeof body !== 'string' && !Buffer.isBuffer(body))) return
  if (body.length > UNCOUNTED_BYTES) heldMemory.hold(ctx.res, body.length)
}

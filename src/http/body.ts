import type { Context } from 'koa'
import type { RegistryError } from '../oci/errors.ts'
import { heldMemory, UNCOUNTED_BYTES } from './held-memory.ts'

/** The length that the request declares, in bytes; undefined for a chunked body. */
export function declaredLength(ctx: Context): number | undefined {
  const header = ctx.req.headers['content-length']
  if (header !== undefined) return Number(header)
  return ctx.req.headers['transfer-encoding'] === undefined ? 0 : undefined
}

/**
 * The request's body. A client that waits for `100 Continue` is told to go on when the first bytes are wanted:
 * whoever answers with a final status instead saves the client the upload (RFC 9110, 10.1.1).
 */
export function bodyOf(ctx: Context): AsyncIterable<Buffer> {
  return {
    [Symbol.asyncIterator]() {
      if (/^100-continue$/i.test(ctx.req.headers.expect ?? '') && !ctx.res.headersSent)
        ctx.res.writeContinue()
      // Who stops reading early must still be able to answer.
      return ctx.req.iterator({ destroyOnReturn: false })
    },
  }
}

/**
 * A body that must fit into `max` bytes of memory. Throws what `tooLarge` makes, before the body is read if its length
 * is declared, and `OVERLOADED` if clients make this process hold too much. What has not come yet is not counted.
 */
export async function readBody(ctx: Context, max: number, tooLarge: () => RegistryError): Promise<Buffer> {
  if ((declaredLength(ctx) ?? 0) > max) throw tooLarge()
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of bodyOf(ctx)) {
    size += chunk.length
    if (size > max) throw tooLarge()
    if (size > UNCOUNTED_BYTES) heldMemory.hold(ctx.res, chunk.length)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

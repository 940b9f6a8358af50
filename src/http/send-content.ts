import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { Context } from 'koa'
import { giveBack } from '../lib/chunk-pool.ts'
import type { Digest } from '../oci/digest.ts'
import { parseRanges } from '../oci/range.ts'
import type { BlobHandle, ByteRange } from '../store/contract.ts'
import { ByteRanges } from './byte-ranges.ts'
import { clientHasGone, isGone } from './client-gone.ts'
import { isWanted } from './ready-answers.ts'
import { transfers } from './transfers.ts'

/** What stands under a digest, and so never changes. */
export interface Content {
  readonly digest: Digest
  /** In bytes. */
  readonly size: number
  readonly open: () => Promise<BlobHandle>
  /** Whether the URL may come to mean something else. */
  readonly changes?: boolean
  /** Throws where `open` would; for who asks without wanting the bytes. */
  readonly check: () => Promise<void>
}

/** Answers GET and HEAD with bytes, in full or in part, or that the client has them already (RFC 9110, 13 and 14). */
export async function sendContent(
  ctx: Context,
  { digest, size, open, check, changes = false }: Content,
): Promise<void> {
  ctx.set('ETag', `"${digest}"`)
  ctx.set('Accept-Ranges', 'bytes')
  ctx.set('Cache-Control', changes ? 'no-cache' : IMMUTABLE)
  if (hasAlready(ctx, digest)) {
    ctx.status = 304
    return
  }
  ctx.set('Content-Type', 'application/octet-stream')
  const ranges =
    ctx.method === 'GET' && mayRange(ctx, digest) ? parseRanges(ctx.req.headers.range, size) : undefined
  if (ctx.method === 'HEAD') {
    await check()
    ctx.status = 200
    ctx.set('Content-Length', String(size))
    return
  }
  const handle = await open()
  if (isGone(ctx.res)) {
    await handle.close()
    throw clientHasGone()
  }
  const { bytes } = handle
  if (!ranges && size > 0 && isWanted(ctx, size)) {
    ctx.body = bytes ?? (await buffer(handle.read()))
    return
  }
  // Past Koa: a stream that fails must cut the connection, and Koa would leave it waiting.
  ctx.respond = false
  // A server may ignore a Range header (RFC 9110, 14.2).
  const isSeveral = ranges !== undefined && ranges.length > 1 && !handle.isTransfer
  if (isSeveral) await sendRanges(ctx, handle, new ByteRanges(ranges, size))
  else await sendRange(ctx, handle, size, ranges?.length === 1 ? ranges[0] : undefined)
}

/** Sends the whole, or one range of it. `size`: of the content, in bytes. */
async function sendRange(
  { res }: Context,
  handle: BlobHandle,
  size: number,
  range?: ByteRange,
): Promise<void> {
  const { bytes } = handle
  if (range) res.setHeader('Content-Range', `bytes ${range.start}-${range.end}/${size}`)
  res.statusCode = range ? 206 : 200
  res.setHeader('Content-Length', range ? range.end - range.start + 1 : size)
  if (bytes) {
    res.end(range ? bytes.subarray(range.start, range.end + 1) : bytes)
  } else if (size === 0) {
    await handle.close()
    res.end()
  } else {
    const transfer = transfers.begin()
    try {
      // The range in any case: a file that has been cut short must not pass for a shorter blob.
      await send(handle.read(range ?? { start: 0, end: size - 1 }, transfer.nextChunk), res)
    } finally {
      transfer.end()
    }
  }
}

/** Sends several ranges. File and memory are released when it settles, which is when the connection ends at the latest. */
async function sendRanges({ res }: Context, handle: BlobHandle, body: ByteRanges): Promise<void> {
  res.statusCode = 206
  res.setHeader('Content-Type', body.contentType)
  res.setHeader('Content-Length', body.length)
  if (handle.bytes) {
    res.end(body.of(handle.bytes))
    return
  }
  const transfer = transfers.begin()
  try {
    for (const range of body.ranges) {
      if (isGone(res)) throw clientHasGone()
      await send(handle.read(range, transfer.nextChunk, true), res, body.head(range))
    }
    res.end(body.tail)
  } finally {
    transfer.end()
    await handle.close()
  }
}

/**
 * Writes the chunks one by one, and gives back those that the system has taken. Cuts the connection if one does not
 * come. Settles when the source is closed and the response has ended, or has taken the part that begins with `head`.
 * `pipeline` would need a stream around the response, and a fifth more processor time for a blob of 200 KiB.
 */
function send(source: Readable, res: ServerResponse, head?: string): Promise<void> {
  const isPart = head !== undefined
  let before = head
  return new Promise((resolve, reject) => {
    source.on('data', (chunk: Buffer) => {
      source.pause()
      // Node.js would keep the chunk for a response that is never sent, and never report it.
      if (isGone(res)) {
        giveBack(chunk)
        source.destroy(clientHasGone())
        return
      }
      if (before) res.write(before)
      before = undefined
      res.write(chunk, error => {
        giveBack(chunk)
        if (error) source.destroy(error)
        else source.resume()
      })
    })
    if (!isPart) source.once('end', () => res.end())
    // Its error is known when it is closed.
    source.once('error', () => {})
    source.once('close', settle)
    res.once('finish', settle)
    // The write under way may never be told of it.
    res.once('close', leave)

    function leave(): void {
      if (!res.writableFinished) source.destroy(clientHasGone())
      settle()
    }

    function settle(): void {
      if (!source.closed) return
      if (source.errored || !source.readableEnded) {
        res.destroy()
        reject(source.errored ?? clientHasGone())
      } else if (isPart || res.writableFinished) resolve()
      else if (res.closed) reject(clientHasGone())
      else return
      res.off('finish', settle)
      res.off('close', leave)
    }
  })
}

/** Bytes under a digest can be kept by any cache for good. */
export const IMMUTABLE = 'public, max-age=31536000, immutable'

/** RFC 9110, 13.1.2: whether If-None-Match names the content. */
export function hasAlready(ctx: Context, digest: Digest): boolean {
  const header = ctx.req.headers['if-none-match']
  return header !== undefined && etags(header, 'weak').some(tag => tag === '*' || tag === digest)
}

/**
 * The digests that a list of entity tags names, and `*`. A weak tag (RFC 9110, 8.8.3) stands for them
 * in a weak comparison only.
 */
export function etags(header: string, comparison: 'weak' | 'strong'): string[] {
  const tags = header.split(',').map(tag => tag.trim())
  return tags
    .filter(tag => comparison === 'weak' || !tag.startsWith('W/'))
    .map(tag => tag.replace(/^W\//, '').replace(/^"(.*)"$/, '$1'))
}

/** RFC 9110, 13.1.5: a range of something else than the client has a part of is of no use to it. */
function mayRange(ctx: Context, digest: Digest): boolean {
  const condition = ctx.req.headers['if-range']
  return condition === undefined || condition === `"${digest}"`
}

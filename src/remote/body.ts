import { formatSize } from '../lib/format-size.ts'
import { limited } from '../lib/limited.ts'
import type { Documents } from '../oci/documents.ts'
import { RegistryError } from '../oci/errors.ts'
import { type JsonLimits, MANIFEST_JSON } from '../oci/strict-json.ts'
import { connectionError } from './connection-error.ts'
import { within } from './deadline.ts'
import type { Reply } from './http.ts'
import type { RemoteRequest } from './request.ts'

/** A body is given up if it sends less than this while it is waited for, in bytes a second over so many milliseconds. */
const MIN_RATE = 1024
const RATE_WINDOW_MS = 60_000

/** The length that the answer states, in bytes. Throws where it is more than `max`. */
export function statedLength(
  request: RemoteRequest,
  { headers }: Reply,
  max = Number.POSITIVE_INFINITY,
): number | undefined {
  const text = headers['content-length']
  const length = text === undefined ? undefined : Number(text)
  if (length !== undefined && length > max) throw tooLarge(request, max)
  return length
}

/**
 * The body as it comes. Its errors are `RemoteError`s; it is wrong where it goes past `max` bytes, or is not of the
 * `size` that was stated. `now`: a clock in milliseconds.
 */
export async function* bodyOf(
  request: RemoteRequest,
  reply: Reply,
  max: number,
  { size, now = () => performance.now() }: { size?: number | undefined; now?: () => number } = {},
): AsyncGenerator<Uint8Array> {
  let received = 0
  const slow = () => request.error('timeout', `it sends less than ${MIN_RATE} bytes a second`)
  const body = paced(reply.body, slow, now)
  try {
    for await (const chunk of limited(body, size ?? max, () => tooLarge(request, size ?? max))) {
      received += chunk.length
      yield chunk
    }
  } catch (error) {
    throw connectionError(request, error, 'body')
  }
  if (size !== undefined && received < size) throw request.error('wrong', 'the body ends early')
}

/** The chunks of the body. Throws `slow()` if it trickles; time in which nobody asks for a chunk does not count. */
async function* paced(
  body: AsyncIterable<Uint8Array>,
  slow: () => Error,
  now: () => number,
): AsyncGenerator<Uint8Array> {
  let asked = now()
  let waited = 0
  let received = 0
  for await (const chunk of body) {
    waited += now() - asked
    received += chunk.length
    if (waited >= RATE_WINDOW_MS) {
      if (received * 1000 < MIN_RATE * waited) throw slow()
      waited = 0
      received = 0
    }
    yield chunk
    asked = now()
  }
}

/** The whole body, which has to be here within so many milliseconds. */
export async function readBody(
  request: RemoteRequest,
  reply: Reply,
  max: number,
  time: number,
): Promise<Uint8Array> {
  const late = () => request.error('timeout', `the body was not here after ${time / 1000} s`)
  try {
    statedLength(request, reply, max)
    return await within(time, late, async () => {
      const chunks: Uint8Array[] = []
      for await (const chunk of bodyOf(request, reply, max)) chunks.push(chunk)
      return Buffer.concat(chunks)
    })
  } finally {
    reply.body.destroy()
  }
}

/** Lists of upstreams may have more values than a manifest, because they are not stored as one document. */
const LIST_JSON: JsonLimits = { ...MANIFEST_JSON, values: 200_000 }

/** A list whose entries are handed on as they are. */
export const HANDED_ON_JSON: JsonLimits = { ...LIST_JSON, repeatedNames: 'last' }

/** The object that the bytes are the JSON of. A large one is parsed without holding up other requests. */
export async function parseObject(
  request: RemoteRequest,
  bytes: Uint8Array,
  documents: Documents,
  limits: JsonLimits = LIST_JSON,
): Promise<Record<string, unknown>> {
  try {
    return await documents.object(bytes, limits, request.upstream)
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error
    if (error.error === 'TOOMANYREQUESTS') throw request.error('busy', error.message, { retryAfter: 1 })
    // Without the cause, which quotes the answer: a token, perhaps.
    const reason =
      error.error === 'MANIFEST_TOO_LARGE'
        ? 'has more values than are taken'
        : 'is not an unambiguous JSON object in UTF-8'
    throw request.refusal(`the answer ${reason}`)
  }
}

function tooLarge(request: RemoteRequest, max: number) {
  return request.refusal(`it sends more than the ${formatSize(max)} that are taken`)
}

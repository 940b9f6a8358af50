import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** How long a client that still sends may take to notice its answer, in milliseconds. */
const PATIENCE_MS = 2000

/**
 * Ends an answer to a client that is still sending. Closing at once would reset the connection,
 * and the client would see the reset, not the answer (RFC 9112, 9.6); so what it sends is read and dropped for a while.
 */
export async function endWhileReceiving(
  req: IncomingMessage,
  res: ServerResponse,
  body: string,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  res.setHeader('Content-Length', Buffer.byteLength(body))
  res.flushHeaders()
  if (body !== '') res.write(body)
  const waitsForContinue = req.headers.expect !== undefined && req.readableFlowing === null
  if (!waitsForContinue) {
    req.resume()
    const timeout = AbortSignal.timeout(patienceMs)
    await Promise.race([
      once(req, 'end', { signal: timeout }),
      once(res, 'close', { signal: timeout }),
    ]).catch(() => {})
  }
  res.end()
}

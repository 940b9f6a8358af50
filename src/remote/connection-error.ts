import { errno } from '../lib/errno.ts'
import { AddressRefused } from './connector.ts'
import { RemoteError, type RemoteFailure } from './error.ts'
import type { RemoteRequest } from './request.ts'

const KNOWN: Record<string, readonly [RemoteFailure, reason: string]> = {
  ECONNREFUSED: ['unreachable', 'the connection was refused'],
  ECONNRESET: ['unreachable', 'the connection was reset'],
  EPIPE: ['unreachable', 'the connection was reset'],
  EHOSTUNREACH: ['unreachable', 'there is no route to the host'],
  ENETUNREACH: ['unreachable', 'there is no route to the network'],
  ENOTFOUND: ['unreachable', 'there is no host of that name'],
  EAI_AGAIN: ['unreachable', 'the name of the host cannot be resolved at the moment'],
  ETIMEDOUT: ['timeout', 'no connection in time'],
  UND_ERR_CONNECT_TIMEOUT: ['timeout', 'no connection within connectTimeout'],
  UND_ERR_BODY_TIMEOUT: ['timeout', 'no more bytes came within idleTimeout'],
  UND_ERR_HEADERS_OVERFLOW: ['wrong', 'the headers of the answer are too large'],
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: ['wrong', 'the body is not as long as its Content-Length says'],
  UND_ERR_DESTROYED: ['unreachable', 'this registry is about to stop'],
}

/** A connection that the other side ended, politely or not. */
const CUT = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

/** Whether the connection ended before an answer, as an idle one does that is used while the upstream closes it. */
export function isCut(error: unknown): boolean {
  return CUT.has(errno(error) ?? '')
}

/** What the error of a connection, or of a body on it, means. `place`: in front of the reason. */
export function connectionError(
  request: RemoteRequest,
  error: unknown,
  phase: 'head' | 'body',
  place = '',
): RemoteError {
  if (error instanceof RemoteError) return error
  // Without the cause, which has what was received in it: a token, perhaps.
  if (error instanceof Error && error.name === 'HTTPParserError') {
    return request.error('wrong', `${place}it does not speak HTTP/1.1`)
  }
  const [failure, reason] = meaningOf(error, phase)
  return request.error(failure, `${place}${reason}`, { cause: error })
}

function meaningOf(error: unknown, phase: 'head' | 'body'): readonly [RemoteFailure, string] {
  if (error instanceof AddressRefused) return ['refused', error.message]
  const code = errno(error) ?? ''
  // Whether a reset or an end is seen first is chance.
  if (phase === 'body' && CUT.has(code)) return ['wrong', 'the connection ended before the body did']
  const known = KNOWN[code]
  if (known) return known
  if (code === 'UND_ERR_SOCKET') return ['unreachable', 'the connection ended before the answer']
  if (/CERT|SELF_SIGNED|VERIFY|TLS|SSL|EPROTO/.test(code)) {
    return ['unreachable', `TLS failed (${code}); a certificate of a private authority needs its caFile`]
  }
  return ['unreachable', `the connection failed${code && ` (${code})`}`]
}

import { STATUS_CODES } from 'node:http'
import type { RemoteError } from './error.ts'
import type { Reply } from './http.ts'
import type { RemoteRequest } from './request.ts'

/** Longer than this no upstream is left alone, whatever it says; in seconds. */
const LONGEST_WAIT = 900

/** What a status that is no success means. */
export function statusError(request: RemoteRequest, { status, headers }: Reply): RemoteError {
  const said = `${status} ${STATUS_CODES[status] ?? ''}`.trim()
  const retryAfter = parseRetryAfter(headers['retry-after'])
  if (status === 404) return request.error('unknown', said)
  if (status === 401) {
    return request.error(
      'refused',
      `${said}: the username and password of this upstream are missing or wrong`,
    )
  }
  if (status === 403) return request.error('refused', said)
  if (status === 429) {
    return request.error('busy', retryAfter === undefined ? said : `${said}, again in ${retryAfter} s`, {
      retryAfter,
    })
  }
  if (status < 400 || status === 416) return request.error('wrong', `${said} is no answer to that`)
  return request.error('failed', said, { retryAfter })
}

/** The seconds of a Retry-After (RFC 9110, 10.2.3), a number or a date; at most what an upstream is left alone for. */
export function parseRetryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  const seconds = /^\d{1,15}$/.test(header)
    ? Number(header)
    : /^[A-Z][a-z]{2,8}, /.test(header)
      ? Math.ceil((Date.parse(header) - Date.now()) / 1000)
      : Number.NaN
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 0), LONGEST_WAIT)
}

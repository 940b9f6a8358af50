import type { Context, Next } from 'koa'

/** Request headers that clients of both APIs send and the Fetch standard does not allow by itself. */
const REQUEST_HEADERS = [
  'Authorization',
  'Cache-Control',
  'Content-Range',
  'Content-Type',
  'If-Match',
  'If-None-Match',
  'If-Range',
  'Range',
].join(', ')

/** Response headers that a page may read beside those that the Fetch standard allows. */
const RESPONSE_HEADERS = [
  'Accept-Ranges',
  'Age',
  'Content-Range',
  'Docker-Content-Digest',
  'Docker-Upload-UUID',
  'ETag',
  'Link',
  'Location',
  'OCI-Filters-Applied',
  'OCI-Subject',
  'OCI-Tag',
  'Range',
  'Retry-After',
  'Warning',
  'WWW-Authenticate',
  'X-Request-Id',
].join(', ')

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE'

/** How long a browser may keep the answer to a preflight request: Chromium's maximum. */
const PREFLIGHT_SECONDS = 7200

/**
 * The CORS protocol (https://fetch.spec.whatwg.org/#http-cors-protocol) for pages of these origins; `*` is any. No other
 * page can read responses. Credentials are sent by `Authorization`, which scripts set themselves, so cookies are not
 * allowed for.
 */
export function cors(origins: readonly string[]) {
  const isAllowed = (origin: string) => origins.includes('*') || origins.includes(origin)
  return async (ctx: Context, next: Next): Promise<void> => {
    const origin = ctx.req.headers.origin
    if (origins.length === 0 || origin === undefined) return next()
    ctx.vary('Origin')
    if (!isAllowed(origin)) return next()
    ctx.set('Access-Control-Allow-Origin', origins.includes('*') ? '*' : origin)
    const isPreflight =
      ctx.method === 'OPTIONS' && ctx.req.headers['access-control-request-method'] !== undefined
    if (!isPreflight) {
      ctx.set('Access-Control-Expose-Headers', RESPONSE_HEADERS)
      return next()
    }
    ctx.set('Access-Control-Allow-Methods', METHODS)
    ctx.set('Access-Control-Allow-Headers', REQUEST_HEADERS)
    ctx.set('Access-Control-Max-Age', String(PREFLIGHT_SECONDS))
    ctx.body = null
    ctx.status = 204
  }
}

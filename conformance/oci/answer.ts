import type { IncomingHttpHeaders } from 'node:http'

/** The codes of the spec's closed table, distribution-spec "Error Codes", code-1 to code-14. */
export const ERROR_CODES = [
  'BLOB_UNKNOWN',
  'BLOB_UPLOAD_INVALID',
  'BLOB_UPLOAD_UNKNOWN',
  'DIGEST_INVALID',
  'MANIFEST_BLOB_UNKNOWN',
  'MANIFEST_INVALID',
  'MANIFEST_UNKNOWN',
  'NAME_INVALID',
  'NAME_UNKNOWN',
  'SIZE_INVALID',
  'UNAUTHORIZED',
  'DENIED',
  'UNSUPPORTED',
  'TOOMANYREQUESTS',
] as const

export type ErrorCode = (typeof ERROR_CODES)[number]

/** One response, read to its end. */
export class Answer {
  readonly request: string
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer

  constructor(request: string, status: number, headers: IncomingHttpHeaders, body: Buffer) {
    this.request = request
    this.status = status
    this.headers = headers
    this.body = body
  }

  /** A header as one text; several fields of one name are joined as RFC 9110 section 5.3 says. */
  header(name: string): string | undefined {
    const value = this.headers[name.toLowerCase()]
    return Array.isArray(value) ? value.join(', ') : value
  }

  json(): unknown {
    return JSON.parse(this.body.toString('utf8'))
  }

  /** The error codes of the body; empty where the body is not of the spec's error form. */
  codes(): string[] {
    try {
      const { errors } = this.json() as { errors: { code: string }[] }
      return errors.map(error => error.code)
    } catch {
      return []
    }
  }

  /** The address that `Link: <…>; rel="next"` names. */
  next(): string | undefined {
    const link = this.header('link')
    return link === undefined ? undefined : /<([^>]*)>\s*;\s*rel="?next"?/.exec(link)?.[1]
  }

  toString(): string {
    const readable = /json|text/.test(this.header('content-type') ?? '')
    const body = readable ? this.body.toString('utf8').slice(0, 300) : `(${this.body.length} bytes)`
    return `${this.request} -> ${this.status} ${body}`
  }
}

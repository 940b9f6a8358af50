import type { Piece } from '../raw.ts'

/**
 * What must come back:
 * - `refused`: 4xx with a code of the spec's table;
 * - `untagged`: that, or a success that names no tag in OCI-Tag, of a registry that knows no tag parameters;
 * - `moved`: that, or a redirect to the address spelled right, which the spec allows for any request;
 * - `broken`: not HTTP any more, so 4xx, 501 or 505, or a closed connection;
 * - `harmless`: anything but 5xx; the spec allows to take it.
 */
export type Verdict = 'refused' | 'untagged' | 'moved' | 'broken' | 'harmless'

/**
 * One hostile request. In `path`, `{repo}` stands for a repository that exists, `{blob}` for the digest of a blob in it,
 * `{session}` for an open upload of its own, with a query begun; a character of `path` is a byte.
 */
export interface Hostile {
  title: string
  verdict: Verdict
  method: string
  path: string
  headers?: Record<string, string>
  body?: string | Uint8Array
  /** In place of method, headers and body: the bytes, behind a function of host and authorization lines. */
  pieces?: (lines: { host: string; authorization: string; path: string }) => Piece[]
}

/** The bytes of a well-formed request with hostile parts. */
export function compose(request: Hostile, path: string, host: string, authorization: string): Piece[] {
  if (request.pieces !== undefined) {
    return request.pieces({ host: `Host: ${host}\r\n`, authorization: line(authorization), path })
  }
  const body = typeof request.body === 'string' ? Buffer.from(request.body) : request.body
  const headers = Object.entries(request.headers ?? {}).map(([name, value]) => `${name}: ${value}\r\n`)
  const needsLength = body !== undefined || /^(?:POST|PUT|PATCH)$/.test(request.method)
  const length = needsLength ? `Content-Length: ${body?.byteLength ?? 0}\r\n` : ''
  const head = `${request.method} ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n`
  return [
    `${head}${line(authorization)}${headers.join('')}${length}\r\n`,
    ...(body === undefined ? [] : [body]),
  ]
}

function line(authorization: string): string {
  return authorization === '' ? '' : `Authorization: ${authorization}\r\n`
}

/** A text for titles: short, and printable. */
export function shown(text: string): string {
  const printable = text.replace(
    /[^\x20-\x7e]/g,
    byte => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
  return printable.length > 44 ? `${printable.slice(0, 40)}… (${text.length})` : printable
}

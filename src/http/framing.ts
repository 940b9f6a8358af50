import type { IncomingMessage } from 'node:http'

/**
 * Says what is wrong with the fields that a proxy in front of this server may understand in another way, and so see
 * other requests than this server does; undefined if nothing is. Node.js refuses some of it, and lets the rest pass.
 * - Host: one (RFC 9112, 3.2).
 * - Transfer-Encoding: one line that says `chunked`, in HTTP/1.1, without Content-Length (RFC 9112, 6.1 and 6.3).
 */
export function framingFault({ rawHeaders, httpVersion }: IncomingMessage): string | undefined {
  let hosts = 0
  let lengths = 0
  let encodings = 0
  let isChunked = false
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    // Names are compared only if their lengths are equal, because every request comes through here.
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
    else if (name.length === 14 && name.toLowerCase() === 'content-length') lengths++
    else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      encodings++
      isChunked = /^chunked$/i.test(rawHeaders[i + 1] as string)
    }
  }
  if (hosts > 1) return 'the request has several Host headers'
  if (lengths > 1) return 'the request has several Content-Length headers'
  if (encodings === 0) return undefined
  if (encodings > 1) return 'the request has several Transfer-Encoding headers'
  if (!isChunked) return 'the only Transfer-Encoding that is supported is chunked'
  if (httpVersion !== '1.1') return 'Transfer-Encoding needs HTTP/1.1'
  return lengths > 0 ? 'the request has both Transfer-Encoding and Content-Length' : undefined
}

import { digestOf, OCI_MANIFEST } from '../content.ts'
import { END, type Piece } from '../raw.ts'
import type { Hostile, Verdict } from './case.ts'

type Lines = Parameters<NonNullable<Hostile['pieces']>>[0]

const BYTES = 'ten bytes!'
const UPLOAD = `/v2/{repo}/blobs/uploads/?digest=${digestOf(BYTES)}`
const MANIFEST = '/v2/{repo}/manifests/lie'

/** A request whose head ends with `tail`, the lines of the lie and the body behind it. */
function lie(
  title: string,
  method: string,
  path: string,
  tail: string,
  verdict: Verdict = 'broken',
): Hostile {
  const type = path === MANIFEST ? OCI_MANIFEST : 'application/octet-stream'
  return raw(title, path, verdict, lines => [
    `${method} ${lines.path} HTTP/1.1\r\n${lines.host}${lines.authorization}Content-Type: ${type}\r\n${tail}`,
    END,
  ])
}

function raw(title: string, path: string, verdict: Verdict, pieces: (lines: Lines) => Piece[]): Hostile {
  return { title, verdict, method: 'RAW', path, pieces }
}

/** Both endpoints that read a body of the client's. */
const both = (title: string, tail: string, verdict?: Verdict) => [
  lie(`POST blob: ${title}`, 'POST', UPLOAD, tail, verdict),
  lie(`PATCH session: ${title}`, 'PATCH', '{session}', tail, verdict),
  lie(`PUT manifest: ${title}`, 'PUT', MANIFEST, tail, verdict),
]

const CHUNKED = 'Transfer-Encoding: chunked\r\n'

/** A body of ten bytes would be sound; PATCH takes what came before a lost connection, and says so to nobody. */
const LENGTHS = [
  ...both('Content-Length above the body', `Content-Length: 1000\r\n\r\n${BYTES}`),
  ...both('Content-Length of many digits', `Content-Length: 99999999999999999999999\r\n\r\n${BYTES}`),
  ...both('Content-Length below zero', `Content-Length: -10\r\n\r\n${BYTES}`),
  ...both('Content-Length with a sign', `Content-Length: +10\r\n\r\n${BYTES}`),
  ...both('Content-Length in hex', `Content-Length: 0xa\r\n\r\n${BYTES}`),
  ...both('Content-Length as a word', `Content-Length: ten\r\n\r\n${BYTES}`),
  ...both('Content-Length empty', `Content-Length: \r\n\r\n${BYTES}`),
  ...both('Content-Length twice, different', `Content-Length: 10\r\nContent-Length: 4\r\n\r\n${BYTES}`),
  ...both('Content-Length as a list of two', `Content-Length: 10, 4\r\n\r\n${BYTES}`),
  lie('POST blob: Content-Length below the body', 'POST', UPLOAD, `Content-Length: 4\r\n\r\n${BYTES}`),
  lie('PUT manifest: Content-Length below the body', 'PUT', MANIFEST, `Content-Length: 1\r\n\r\n{}`),
]

const CHUNKS = [
  ...both('chunk size that is no number', `${CHUNKED}\r\nzz\r\n${BYTES}\r\n0\r\n\r\n`),
  ...both('chunk size below zero', `${CHUNKED}\r\n-1\r\n${BYTES}\r\n0\r\n\r\n`),
  ...both('chunk size of many digits', `${CHUNKED}\r\nffffffffffffffffffff\r\n${BYTES}\r\n0\r\n\r\n`),
  ...both('chunk size with 0x', `${CHUNKED}\r\n0xa\r\n${BYTES}\r\n0\r\n\r\n`),
  ...both('chunk longer than its size', `${CHUNKED}\r\n4\r\n${BYTES}\r\n0\r\n\r\n`),
  ...both('chunk shorter than its size', `${CHUNKED}\r\nff\r\n${BYTES}\r\n0\r\n\r\n`),
  ...both('no last chunk', `${CHUNKED}\r\na\r\n${BYTES}\r\n`),
  ...both('chunk without size', `${CHUNKED}\r\n\r\n${BYTES}\r\n0\r\n\r\n`),
  ...both(
    'Transfer-Encoding and Content-Length',
    `${CHUNKED}Content-Length: 4\r\n\r\na\r\n${BYTES}\r\n0\r\n\r\n`,
    'harmless',
  ),
  ...both('Transfer-Encoding that nobody knows', `Transfer-Encoding: zip\r\n\r\na\r\n${BYTES}\r\n0\r\n\r\n`),
  ...both(
    'Transfer-Encoding twice',
    `${CHUNKED}Transfer-Encoding: identity\r\n\r\na\r\n${BYTES}\r\n0\r\n\r\n`,
  ),
  ...both(
    'chunk extension of 100 kB',
    `${CHUNKED}\r\na;${'x'.repeat(100_000)}\r\n${BYTES}\r\n0\r\n\r\n`,
    'harmless',
  ),
  ...both(
    '4,000 trailers',
    `${CHUNKED}\r\na\r\n${BYTES}\r\n0\r\n${'X-T: y\r\n'.repeat(4000)}\r\n`,
    'harmless',
  ),
]

const get = (title: string, verdict: Verdict, headers: string, path = '/v2/{repo}/tags/list') =>
  raw(`GET: ${title}`, path, verdict, lines => [
    `GET ${lines.path} HTTP/1.1\r\n${lines.host}${headers}\r\n`,
    END,
  ])

const HEADERS = [
  get('5,000 headers', 'harmless', Array.from({ length: 5000 }, (_, n) => `X-${n}: y\r\n`).join('')),
  get('the same header 20,000 times', 'harmless', 'X-Flood: y\r\n'.repeat(20_000)),
  get('a header of 100 kB', 'harmless', `X-Long: ${'y'.repeat(100_000)}\r\n`),
  get('a header name of 100 kB', 'harmless', `X-${'y'.repeat(100_000)}: z\r\n`),
  get('2,000 Accept headers', 'harmless', `Accept: ${OCI_MANIFEST}\r\n`.repeat(2000)),
  get(
    'an Accept of 60,000 commas',
    'harmless',
    `Accept: ${','.repeat(12_000)}\r\n`,
    '/v2/{repo}/manifests/v1',
  ),
  get(
    'an If-None-Match of 12,000 commas',
    'harmless',
    `If-None-Match: ${','.repeat(12_000)}\r\n`,
    '/v2/{repo}/blobs/{blob}',
  ),
  get(
    'an If-None-Match of quotes',
    'harmless',
    `If-None-Match: ${'"'.repeat(12_001)}\r\n`,
    '/v2/{repo}/blobs/{blob}',
  ),
  get(
    'a Range of 2,000 parts',
    'harmless',
    `Range: bytes=${Array.from({ length: 2000 }, (_, n) => `${n}-`).join()}\r\n`,
    '/v2/{repo}/blobs/{blob}',
  ),
  get('an Authorization of 10 kB', 'harmless', `Authorization: Bearer ${'a.'.repeat(5000)}\r\n`),
  get('an Authorization of white space', 'harmless', `Authorization: Basic ${' '.repeat(10_000)}x\r\n`),
  get('a NUL in a header', 'broken', 'X-Nul: a\0b\r\n'),
  get('a lone CR in a header', 'broken', 'X-Cr: a\rb\r\n'),
  get('a header without a colon', 'broken', 'no colon here\r\n'),
  get('a space before the colon', 'broken', 'X-Space : y\r\n'),
  get('two Host headers', 'broken', 'Host: other.example.org\r\n'),
  get('Expect of a word', 'harmless', 'Expect: the-unexpected\r\n'),
  get(
    'Upgrade to h2c',
    'harmless',
    'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n',
  ),
  get(
    'Upgrade to a WebSocket',
    'harmless',
    'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n',
  ),
  get(
    'X-Forwarded-* with line noise',
    'harmless',
    'X-Forwarded-Host: "><script>\r\nX-Forwarded-Proto: gopher\r\nForwarded: ;;;=\r\n',
  ),
]

const line = (title: string, verdict: Verdict, text: string) =>
  raw(title, '/v2/', verdict, lines => [`${text}\r\n${lines.host}\r\n`, END])

const LINES = [
  line('a request line of 1 MB', 'broken', `GET /v2/${'x'.repeat(1_000_000)}/tags/list HTTP/1.1`),
  line('a query of 100 kB', 'broken', `GET /v2/?${'x'.repeat(100_000)} HTTP/1.1`),
  line('a NUL in the path', 'broken', 'GET /v2/a\0b/tags/list HTTP/1.1'),
  line('raw UTF-8 in the path', 'broken', 'GET /v2/a\xc3\xa9/tags/list HTTP/1.1'),
  line('a space in the path', 'broken', 'GET /v2/a b/tags/list HTTP/1.1'),
  line('a tab in the path', 'broken', 'GET /v2/a\tb/tags/list HTTP/1.1'),
  line('no path', 'broken', 'GET  HTTP/1.1'),
  line('a path without slash', 'broken', 'GET v2/ HTTP/1.1'),
  line('a fragment in the path', 'harmless', 'GET /v2/#fragment HTTP/1.1'),
  line('the address of another host', 'harmless', 'GET http://other.example.org/v2/ HTTP/1.1'),
  line('the address of a file', 'harmless', 'GET file:///etc/passwd HTTP/1.1'),
  line('CONNECT', 'broken', 'CONNECT example.org:443 HTTP/1.1'),
  line('OPTIONS *', 'harmless', 'OPTIONS * HTTP/1.1'),
  line('a method that nobody knows', 'broken', 'BREW /v2/ HTTP/1.1'),
  line('a method of 10 kB', 'broken', `${'X'.repeat(10_000)} /v2/ HTTP/1.1`),
  line('a method in lower case', 'broken', 'get /v2/ HTTP/1.1'),
  line('HTTP/9.9', 'broken', 'GET /v2/ HTTP/9.9'),
  line('no version', 'broken', 'GET /v2/'),
  raw('HTTP/1.1 without Host', '/v2/', 'broken', () => ['GET /v2/ HTTP/1.1\r\n\r\n', END]),
  raw('a TLS hello', '/v2/', 'broken', () => [
    Buffer.from('16030100c6010000c20303', 'hex'),
    Buffer.alloc(200, 7),
    END,
  ]),
  raw('random bytes', '/v2/', 'broken', () => [
    Buffer.from(Array.from({ length: 9000 }, (_, n) => (n * 7919) & 255)),
    END,
  ]),
  raw('the HTTP/2 preface', '/v2/', 'broken', () => ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', END]),
  raw('nothing', '/v2/', 'broken', () => [END]),
  raw('10,000 empty lines', '/v2/', 'harmless', lines => [
    '\r\n'.repeat(10_000),
    `GET /v2/ HTTP/1.1\r\n${lines.host}\r\n`,
    END,
  ]),
]

export const HOSTILE_CONNECTIONS: Hostile[] = [...LENGTHS, ...CHUNKS, ...HEADERS, ...LINES]

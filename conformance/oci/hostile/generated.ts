import fc from 'fast-check'
import { EMPTY, OCI_INDEX, OCI_MANIFEST } from '../content.ts'
import type { Hostile } from './case.ts'
import { noCount, noDigest, noManifest, noName, refersTo } from './oracle.ts'

/** A request, and the reason for which the spec forbids to take it, if there is one. */
export type Generated = Hostile & { forbidden?: string }

/** Characters and sequences that parsers disagree about. */
const TRICK = fc.constantFrom(
  ...[
    '%00',
    '%0a',
    '%0d%0a',
    '%2f',
    '%2F',
    '%2e%2e',
    '%252f',
    '%c0%af',
    '%ff',
    '%',
    '%zz',
    '..',
    '.',
    '/',
    '//',
    '\\',
  ],
  ...[
    '@',
    ':',
    '+',
    '-',
    '_',
    '__',
    '___',
    '~',
    ';',
    ',',
    '&',
    '=',
    '*',
    '<',
    '>',
    '"',
    "'",
    'A',
    'é',
    '💩',
  ].map(percent),
)
const WORD = fc.stringMatching(/^[a-z0-9]{1,8}$/)
const HEX = fc.stringMatching(/^[0-9a-f]{64}$/)

/** Sound pieces with tricks strewn in. */
const mixed = (sound: fc.Arbitrary<string>) =>
  fc.oneof(
    { weight: 2, arbitrary: sound },
    {
      weight: 3,
      arbitrary: fc
        .array(fc.oneof(sound, TRICK), { minLength: 1, maxLength: 6 })
        .map(parts => parts.join('')),
    },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 30 }).map(percent) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(sound, fc.integer({ min: 100, max: 3000 }))
        .map(([text, n]) => text.repeat(n).slice(0, 5000)),
    },
  )

const name = fc.oneof(
  { weight: 3, arbitrary: fc.constant('{repo}') },
  {
    weight: 2,
    arbitrary: mixed(fc.array(WORD, { minLength: 1, maxLength: 3 }).map(parts => parts.join('/'))),
  },
)
const digest = HEX.map(hex => `sha256:${hex}`)
const reference = fc.oneof(mixed(WORD), mixed(digest), fc.constant('v1'))
const count = fc.oneof(fc.integer().map(String), fc.double().map(String), mixed(fc.constant('1')))
const header = fc.oneof(
  fc.string({ maxLength: 60 }),
  mixed(WORD),
  fc.constantFrom('0-9', 'bytes=0-', '"x"', '*', OCI_MANIFEST, OCI_INDEX),
)
const headers = fc.dictionary(
  fc.constantFrom(
    'Accept',
    'Range',
    'If-Match',
    'If-None-Match',
    'If-Range',
    'Content-Type',
    'Content-Range',
    'Accept-Encoding',
    'X-Forwarded-For',
  ),
  header.map(value => value.replace(/[^\x20-\x7e]/g, '')),
  { maxKeys: 3, noNullPrototype: true },
)

/** JSON that is shaped like a manifest here and there. */
const { value: json } = fc.letrec(tie => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(
      2,
      null,
      true,
      '',
      'sha256:',
      OCI_MANIFEST,
      OCI_INDEX,
      -1,
      1.5,
      1e300,
      EMPTY.digest(),
      EMPTY.descriptor(),
    ),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.constantFrom(
        'schemaVersion',
        'mediaType',
        'config',
        'layers',
        'manifests',
        'subject',
        'annotations',
        'artifactType',
        'digest',
        'size',
        'data',
        'urls',
        'platform',
        '__proto__',
        'constructor',
      ),
      tie('value'),
      { maxKeys: 6, noNullPrototype: true },
    ),
  ),
}))
const start = {
  schemaVersion: 2,
  mediaType: OCI_MANIFEST,
  config: EMPTY.descriptor(),
  layers: [EMPTY.descriptor()],
}
const manifest = fc.oneof(
  json.map(value => JSON.stringify(value)),
  json.map(value => JSON.stringify({ ...start, ...(value as object) })),
  fc
    .tuple(fc.constant(JSON.stringify(start)), fc.nat(), fc.string({ maxLength: 5 }))
    .map(([text, at, cut]) => {
      const place = at % text.length
      return text.slice(0, place) + cut + text.slice(place + cut.length + 1)
    }),
  fc.string({ unit: 'binary', maxLength: 200 }),
)

const READ = fc.constantFrom('GET', 'HEAD')
const ANY = fc.constantFrom('GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS')
const body = fc.option(fc.string({ unit: 'binary', maxLength: 300 }), { nil: undefined })

/** Any request of the generator. */
export const generated: fc.Arbitrary<Generated> = fc.oneof(
  fc
    .record({ method: READ, name, reference, headers })
    .map(one =>
      request(
        one.method,
        one.name,
        `manifests/${one.reference}`,
        one.headers,
        undefined,
        refersTo(one.reference),
      ),
    ),
  fc
    .record({ name, reference, headers, manifest })
    .map(one =>
      request(
        'PUT',
        one.name,
        `manifests/${one.reference}`,
        { 'Content-Type': OCI_MANIFEST, ...one.headers },
        one.manifest,
        refersTo(one.reference) ?? noManifest(one.manifest),
      ),
    ),
  fc
    .record({ name, digest: mixed(digest), method: fc.constantFrom('GET', 'HEAD', 'DELETE'), headers })
    .map(one =>
      request(one.method, one.name, `blobs/${one.digest}`, one.headers, undefined, noDigest(one.digest)),
    ),
  fc
    .record({ name, digest: mixed(digest), headers })
    .map(one =>
      request('GET', one.name, `referrers/${one.digest}`, one.headers, undefined, noDigest(one.digest)),
    ),
  fc
    .record({ name, n: count, last: mixed(WORD) })
    .map(one =>
      request('GET', one.name, `tags/list?n=${one.n}&last=${one.last}`, {}, undefined, noCount(one.n)),
    ),
  fc
    .record({
      name,
      key: fc.constantFrom('digest', 'mount', 'digest-algorithm', 'from'),
      value: mixed(digest),
      body,
    })
    .map(one => request('POST', one.name, `blobs/uploads/?${one.key}=${one.value}`, {}, one.body, undefined)),
  fc
    .record({ method: ANY, name, id: mixed(WORD), headers, body })
    .map(one => request(one.method, one.name, `blobs/uploads/${one.id}`, one.headers, one.body, undefined)),
  fc
    .record({
      method: ANY,
      name,
      tail: mixed(fc.constantFrom('tags/list', 'manifests', 'blobs', 'referrers', '_catalog', 'x')),
      headers,
      body,
    })
    .map(one => request(one.method, one.name, one.tail, one.headers, one.body, undefined)),
)

function request(
  method: string,
  repository: string,
  tail: string,
  sent: Record<string, string>,
  content: string | undefined,
  reason: string | undefined,
): Generated {
  const forbidden = reason ?? noName(repository, tail)
  const path = `/v2/${repository}/${tail}`
  return {
    title: method,
    verdict: 'harmless',
    method,
    path,
    headers: sent,
    ...(content === undefined || method === 'GET' || method === 'HEAD' ? {} : { body: content }),
    ...(forbidden === undefined ? {} : { forbidden }),
  }
}

function percent(text: string): string {
  return Array.from(Buffer.from(text), byte => `%${byte.toString(16).padStart(2, '0')}`).join('')
}

import { digestOf } from '../content.ts'
import { type Hostile, shown } from './case.ts'

const BYTES = 'ten bytes!'

/** No session ids. */
const IDS = [
  '%2e%2e',
  '%2e',
  '..%2f..%2f..%2fetc%2fpasswd',
  '..%5c..',
  'a%00b',
  'a%2fb',
  '%c0%ae%c0%ae',
  '%ff',
  '%zz',
  '*',
  'x',
  'x'.repeat(5000),
  '__proto__',
  '00000000-0000-0000-0000-000000000000',
  '00000000-0000-4000-8000-00000000000G',
]

/** No ranges, "Pushing a blob in chunks": ^[0-9]+-[0-9]+$. */
const RANGES = [
  '',
  'a-b',
  '0-',
  '-9',
  '5-2',
  '0--9',
  '0-9-9',
  '0.0-9.0',
  '0x0-0x9',
  '1e0-1e1',
  '0-99999999999999999999999999',
  '99999999999999999999999999-99999999999999999999999999',
  '0-9,10-19',
  '+0-+9',
  '0 - 9',
  `0-${'9'.repeat(5000)}`,
  '\u0660-\u0669',
  '0-8',
  '0-10',
  '1-10',
]

/** Ways of other protocols to write the range 0-9; the regular expression refuses them, clients write them. */
const FOREIGN_RANGES = ['bytes 0-9/10', 'bytes=0-9', 'bytes 0-9/*', '0-9/10']

export const HOSTILE_UPLOADS: Hostile[] = [
  ...IDS.flatMap(id =>
    ['GET', 'PATCH', 'PUT', 'DELETE'].map(
      (method): Hostile => ({
        title: `${method} session ${JSON.stringify(shown(id))}`,
        verdict: 'refused',
        method,
        path: `/v2/{repo}/blobs/uploads/${id}${method === 'PUT' ? `?digest=${digestOf(BYTES)}` : ''}`,
        ...(method === 'PATCH' || method === 'PUT' ? { body: BYTES } : {}),
      }),
    ),
  ),
  ...RANGES.flatMap(range => chunk(range, 'refused')),
  ...FOREIGN_RANGES.flatMap(range => chunk(range, 'harmless')),
  ...['', 'md4', 'SHA256', 'sha256%00', 'sha-256', '__proto__', 'constructor', 'x'.repeat(5000)].map(
    (algorithm): Hostile => ({
      title: `POST upload with digest-algorithm ${JSON.stringify(shown(algorithm))}`,
      verdict: 'refused',
      method: 'POST',
      path: `/v2/{repo}/blobs/uploads/?digest-algorithm=${algorithm}`,
    }),
  ),
  ...['../../etc', '%00', 'UPPER', '%ff', 'x'.repeat(5000), ''].map(
    (name): Hostile => ({
      title: `mount from ${JSON.stringify(shown(name))}`,
      verdict: 'harmless',
      method: 'POST',
      path: `/v2/{repo}/blobs/uploads/?mount=${digestOf(BYTES)}&from=${name}`,
    }),
  ),
  {
    title: 'PUT upload with two digests',
    verdict: 'harmless',
    method: 'PUT',
    path: `{session}digest=${digestOf(BYTES)}&digest=${digestOf('other')}`,
    body: BYTES,
  },
  { title: 'PUT upload without a digest', verdict: 'refused', method: 'PUT', path: '{session}', body: BYTES },
]

function chunk(range: string, verdict: Hostile['verdict']): Hostile[] {
  const headers = {
    'Content-Range': Buffer.from(range).toString('latin1'),
    'Content-Type': 'application/octet-stream',
  }
  const as = JSON.stringify(shown(range))
  return [
    {
      title: `PATCH with Content-Range ${as}`,
      verdict,
      method: 'PATCH',
      path: '{session}',
      headers,
      body: BYTES,
    },
    {
      title: `PUT with Content-Range ${as}`,
      verdict,
      method: 'PUT',
      path: `{session}digest=${digestOf(BYTES)}`,
      headers,
      body: BYTES,
    },
  ]
}
